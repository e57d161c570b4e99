#include "wait_for_file.h"

#include <fstream>
#include <iterator>
#include <string>

#include "shared/base/utf8.h"
#include "shared/json/json.h"
#include "shared/runner/runner_action.h"

namespace example {
namespace {

using dynflow::Duration;
using dynflow::Json;
using dynflow::engine::ActionError;
using dynflow::engine::Finalizing;
using dynflow::engine::Planning;
using dynflow::engine::Running;

class WaitForFile final : public dynflow::engine::Polling {
 public:
  // The work, and behind it the callback to Foreman when the launch asks for one.
  void plan(Planning& planning, Json args) override {
    if (dynflow::json::get_string(args, "path").empty()) throw ActionError("ArgumentError", "path is missing");
    dynflow::runner::plan_shareable(planning, std::move(args));
  }

  // After all runs; may be repeated.
  void finalize(Finalizing& finalizing) override {
    if (finalizing.output().at("exit_status") != 0) throw ActionError("RuntimeError", "the file is empty");
  }

 protected:
  Json invoke_external_task(Running&) override { return Json{{"is_there", false}}; }

  Json poll_external_task(Running& running) override {
    std::ifstream file(dynflow::json::get_string(running.input(), "path"));
    if (!file) return Json{{"is_there", false}};
    const std::string content{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    return Json{{"is_there", true}, {"content", dynflow::to_valid_utf8(content)}};
  }

  bool is_done(Running& running) override {
    return running.output().contains("cancelled") || running.output().at("task").at("is_there") == true;
  }

  void on_finish(Running& running) override {
    const std::string content = dynflow::json::get_string(running.output().at("task"), "content");
    running.output()["result"] = Json::array({{{"output_type", "stdout"},
                                               {"output", content},
                                               {"timestamp", dynflow::to_unix_seconds(running.clock().now())}}});
    running.output()["exit_status"] = content.empty() ? 1 : 0;
  }

  void cancel(Running& running, bool) override { running.output()["cancelled"] = true; }

  std::vector<Duration> poll_intervals() const override { return {std::chrono::milliseconds(100), std::chrono::seconds(1)}; }
};

}  // namespace

std::unique_ptr<dynflow::engine::Action> make_wait_for_file() { return std::make_unique<WaitForFile>(); }

}  // namespace example
