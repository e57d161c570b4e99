#include "shared/callback/callback_action.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "shared/engine/presentation.h"
#include "shared/engine/status_document.h"
#include "shared/json/json.h"

namespace dynflow::callback {
namespace {

using persistence::OutboxRecord;
using persistence::PlanState;
using persistence::StepState;
using persistence::WriteBatch;

// Beside the reference to the output, which a run gets resolved: the action it refers to. Gone when the action has run.
constexpr const char* kReportedAction = "data_action_id";

// The same for a repetition, which replaces the entry.
std::string entry_id(const std::string& plan_id, int action_id) { return fmt::format("{}:{}", plan_id, action_id); }

OutboxRecord make_entry(const std::string& plan_id, int callback_action_id, const Json& input, Time now) {
  const Json* callback = json::find(input, "callback");
  OutboxRecord entry;
  entry.id = entry_id(plan_id, callback_action_id);
  entry.plan_id = plan_id;
  entry.action_id = static_cast<int>(json::get_int(input, kReportedAction, 0));
  entry.callback = callback == nullptr ? "{}" : json::dump(*callback);
  entry.request_id = json::get_string(input, "current_request_id");
  entry.created_at = now;
  entry.next_attempt_at = now;
  return entry;
}

class CallbackAction final : public engine::Action {
 public:
  void plan(engine::Planning& planning, Json args) override {
    const Json* callback = json::find(args, "callback");
    if (callback == nullptr || !callback->is_object()) throw engine::ActionError("ArgumentError", "callback must be an object");
    const Json* data = json::find(args, "data");
    if (data == nullptr) throw engine::ActionError("ArgumentError", "a callback needs data");
    const auto action_id = json::get_int(*data, "action_id", 0);
    if (action_id > 0) args[kReportedAction] = action_id;
    planning.plan_self(std::move(args));
  }

  // Our own note is nobody's business.
  void present(engine::Presenting& presenting) const override { presenting.input().erase(kReportedAction); }

  void run(engine::Running& running, const engine::Event*) override {
    Json& input = running.input();
    OutboxRecord entry = make_entry(running.plan_id(), running.action_id(), input, running.world().clock().now());
    if (entry.action_id == 0) {
      // Planned with the data itself.
      const Json* data = json::find(input, "data");
      entry.data = data != nullptr && data->is_object() ? json::dump(*data) : "{}";
    }
    running.transaction().add(WriteBatch::PutOutbox{std::move(entry)});
    input.erase("data");
    input.erase(kReportedAction);
  }
};

bool is_callback(const persistence::ActionRecord& action) {
  return action.run_step_id != 0 && (action.action_class == kCallbackAction || action.action_class == kOldCallbackAction);
}

const persistence::StepRecord& run_step_of(const persistence::PlanRecord& plan, const persistence::ActionRecord& action) {
  return plan.steps[static_cast<std::size_t>(action.run_step_id - 1)];
}

std::string failure_text(const persistence::PlanRecord& plan) {
  for (const persistence::StepRecord& step : plan.steps) {
    if (step.error) return fmt::format("Proxy error: {} - {}", step.error->exception_class, step.error->message);
  }
  return "Proxy error: the task ended without a result";
}

}  // namespace

Status register_callback_action(engine::ActionRegistry& registry) {
  engine::ActionClass made;
  made.name = kCallbackAction;
  made.aliases = {std::string(kOldCallbackAction)};
  made.has_run = true;
  made.is_pure = true;
  made.make = [] { return std::make_unique<CallbackAction>(); };
  return registry.add(std::move(made));
}

void CallbackObserver::plan_changed(const persistence::PlanRecord& plan, WriteBatch& batch) {
  if (plan.state != PlanState::kPaused && plan.state != PlanState::kStopped) return;
  if (plan.state == PlanState::kPaused) ended_.forget(plan.id);  // perhaps its end could not be stored
  // A launch that failed may not be stored either: another plan may have its id.
  const bool has_reported = std::any_of(plan.actions.begin(), plan.actions.end(), [&](const persistence::ActionRecord& action) {
    return is_callback(action) && run_step_of(plan, action).state == StepState::kSuccess;
  });
  if (plan.state == PlanState::kStopped && has_reported) ended_.keep(plan);
  if (plan.state == PlanState::kStopped && plan.result == persistence::PlanResult::kSuccess) return;
  for (const persistence::ActionRecord& action : plan.actions) {
    if (!is_callback(action)) continue;
    if (run_step_of(plan, action).state == StepState::kSuccess) continue;
    auto input = json::parse(action.input);
    if (!input || json::find(*input, "callback") == nullptr) continue;  // cannot be told to anybody
    const Time now = clock_.now();
    OutboxRecord entry = make_entry(plan.id, action.id, *input, now);
    Json piece{{"output_type", "debug"}, {"output", failure_text(plan)}, {"timestamp", to_unix_seconds(now)}};
    entry.data = json::dump(Json{{"result", Json::array({std::move(piece)})},
                                 {"exit_status", "EXCEPTION"},
                                 {"exit_status_timestamp", to_unix_seconds(now)}});
    batch.add(WriteBatch::PutOutbox{std::move(entry)});
  }
}

void CallbackObserver::rows_stored() {
  if (outbox_ != nullptr) outbox_->wake();
}

Result<std::string> merge_output(const std::string& output, const std::string& addition) {
  auto merged = json::parse(output);
  auto added = json::parse(addition);
  if (!merged || !added) return Error(Code::kCorrupt, "the stored output is not JSON");
  if (!merged->is_object()) merged = Json::object();
  for (auto& [key, value] : added->items()) {
    Json& there = (*merged)[key];
    if (key == "result" && there.is_array() && value.is_array()) {
      for (Json& piece : value) there.push_back(std::move(piece));
    } else if (there.is_null()) {
      there = std::move(value);
    }
  }
  return json::dump(*merged);
}

Outbox::DataOf data_from(engine::World& world, EndedPlans& ended) {
  return [&world, &ended](const OutboxRecord& entry) -> Result<std::string> {
    const auto plan = ended.take(entry.plan_id);
    if (entry.action_id == 0) return entry.data;
    auto output = plan ? engine::output_document(world, *plan, entry.action_id)
                       : engine::output_document(world, entry.plan_id, entry.action_id);
    if (!output) return output.error();
    if (!entry.data.empty()) return merge_output(*output, entry.data);
    // Foreman answers 500 to data that is no object.
    return output->starts_with('{') ? std::move(output) : Result<std::string>(std::string("{}"));
  };
}

}  // namespace dynflow::callback
