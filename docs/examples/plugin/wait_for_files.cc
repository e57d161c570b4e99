#include "wait_for_files.h"

#include <string>

#include "shared/json/json.h"
#include "shared/runner/runner_action.h"
#include "wait_for_file.h"

namespace example {
namespace {

using dynflow::Json;
using dynflow::engine::ActionError;
using dynflow::engine::Planning;
using dynflow::engine::PlanRequest;
using dynflow::engine::Running;

class WaitForFiles final : public dynflow::engine::WithSubPlans {
 public:
  void plan(Planning& planning, Json args) override {
    const Json* paths = dynflow::json::find(args, "paths");
    if (paths == nullptr || !paths->is_array()) throw ActionError("ArgumentError", "paths must be a list");
    const std::int64_t at_once = dynflow::json::get_int(args, "at_once", 0);
    dynflow::runner::plan_shareable(planning, std::move(args));
    // Stored with the plan: holds after a restart as well.
    if (at_once > 0) dynflow::engine::limit_concurrency_level(planning.input(), static_cast<std::size_t>(at_once));
  }

 protected:
  std::size_t total_count(Running& running) override { return running.input().at("paths").size(); }

  std::vector<PlanRequest> batch(Running& running, std::size_t from, std::size_t size) override {
    std::vector<PlanRequest> requests(size);
    for (std::size_t i = 0; i < size; ++i) {
      requests[i].action_class = kWaitForFile;
      requests[i].args = Json{{"path", running.input().at("paths").at(from + i)}};
    }
    return requests;
  }

  void on_finish(Running& running) override {
    running.output()["result"] = Json::array();
    running.output()["exit_status"] = 0;
  }
};

}  // namespace

std::unique_ptr<dynflow::engine::Action> make_wait_for_files() { return std::make_unique<WaitForFiles>(); }

}  // namespace example
