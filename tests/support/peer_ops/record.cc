#include "tests/support/peer_ops/record.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "shared/base/fd.h"
#include "shared/json/json.h"
#include "shared/runner/runner_action.h"

namespace dynflow::peer_ops {
namespace {

// One write, so that lines of several threads and processes never mix.
void add_line(const std::string& path, const std::string& line) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!file || ::write(file.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) || ::fsync(file.get()) != 0) {
    throw engine::ActionError("SystemCallError", fmt::format("{} cannot be written", path));
  }
}

}  // namespace

void Record::plan(engine::Planning& planning, Json args) {
  const std::int64_t before = json::get_int(args, "before", 0);
  args.erase("before");
  planning.sequence([&] {
    planning.concurrence([&] {
      for (std::int64_t i = 0; i < before; ++i) {
        planning.plan_action(planning.action_class(), Json{{"file", json::get_string(args, "file")}});
      }
    });
    runner::plan_shareable(planning, std::move(args));
  });
}

void Record::run(engine::Running& running, const engine::Event*) {
  add_line(json::get_string(running.input(), "file"), fmt::format("{} {}\n", running.plan_id(), running.step_id()));
  running.output()["exit_status"] = 0;
}

void Collect::plan(engine::Planning& planning, Json args) { runner::plan_shareable(planning, std::move(args)); }

void Collect::run(engine::Running& running, const engine::Event* event) {
  Json& output = running.output();
  if (!output.contains("tokens")) output["tokens"] = Json::array();
  if (event != nullptr && event->name == runner::kExternalEvent) {
    output["tokens"].push_back(json::get_string(event->data, "token"));
    if (const Json* code = json::find(event->data, "exit_code")) output["exit_status"] = *code;
  } else if (event != nullptr && (event->name == engine::kCancel || event->name == engine::kAbort)) {
    output["exit_status"] = "CANCELLED";
  }
  if (!output.contains("exit_status")) running.suspend();
}

}  // namespace dynflow::peer_ops
