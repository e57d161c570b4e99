#include "shared/launcher/batch.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "shared/base/ids.h"
#include "shared/launcher/batch_action.h"
#include "shared/launcher/secrets.h"

namespace dynflow::launcher {
namespace {

using persistence::PlanIdentity;

constexpr std::string_view kParent = "parent";

Json success_answer(const std::string& plan_id) { return Json{{"result", "success"}, {"task_id", plan_id}}; }

bool is_failure(const Json& answer) { return json::get_string(answer, "result") == "error"; }

Result<std::vector<Entry>> parse_entries(const Json& input, std::string_view action_class_override, const LaunchContext& context) {
  std::vector<Entry> entries;
  if (input.is_null()) return entries;
  if (!input.is_object()) return Error(Code::kInvalid, "input must be an object of entries by plan id");
  for (const auto& [id, entry] : input.items()) {
    if (id.empty() || id == kParent) return Error(Code::kInvalid, fmt::format("'{}' cannot be the id of a plan", id));
    auto parsed = parse_entry(id, entry, action_class_override, context);
    if (!parsed) return parsed.error();
    entries.push_back(std::move(*parsed));
  }
  return entries;
}

// Why planning failed, for a plan that was launched before; nothing when it was planned.
Result<std::optional<persistence::StepError>> planning_error(engine::World& world, const persistence::PlanStatus& status) {
  const bool may_have_failed = status.state == persistence::PlanState::kStopped && status.result == persistence::PlanResult::kError;
  if (!may_have_failed) return std::optional<persistence::StepError>();
  auto plan = world.find_plan(status.id);
  if (!plan) return plan.error();
  for (const persistence::StepRecord& step : plan->steps) {
    if (step.phase == persistence::StepPhase::kPlan && step.error) return step.error;
  }
  return std::optional<persistence::StepError>();
}

}  // namespace

// What an earlier request launched.
struct BatchLauncher::Known {
  std::map<std::string, PlanIdentity> by_id;
  Json answers = Json::object();
};

std::string_view BatchLauncher::parent_class() const { return kBatchAction; }

std::vector<engine::PlanRequest> BatchLauncher::requests(std::vector<Entry> entries, const LaunchContext& context) const {
  std::vector<engine::PlanRequest> made;
  made.reserve(entries.size());
  for (Entry& entry : entries) made.push_back(to_request(std::move(entry), context));
  return made;
}

Result<Json> BatchLauncher::launch(engine::World& world, const Json& input, const Json& options, const LaunchContext& context) {
  auto entries = parse_entries(input, action_class_override_, context);
  if (!entries) return entries.error();
  std::vector<std::string> ids;
  for (const Entry& entry : *entries) ids.push_back(entry.id);

  // Twice: another request may store the same ids between the look and the launch. Then they are there at the second look.
  std::optional<Error> collision;
  for (int attempt = 0; attempt < 2; ++attempt) {
    Known known;
    if (!ids.empty()) {
      auto identities = world.store().load_identities(ids);
      if (!identities) return identities.error();
      for (PlanIdentity& identity : *identities) known.by_id.emplace(identity.id, std::move(identity));
    }
    std::vector<Entry> fresh;
    std::vector<std::string> repeated;
    std::optional<std::string> caller;  // the one that all repeated entries share; empty when they do not
    for (const Entry& entry : *entries) {
      const auto found = known.by_id.find(entry.id);
      if (found == known.by_id.end()) {
        fresh.push_back(entry);
        continue;
      }
      if (found->second.request_digest != entry.digest) {
        return Error(Code::kConflict, fmt::format("a task with the id '{}' exists and was launched with another input", entry.id));
      }
      repeated.push_back(entry.id);
      if (!caller) caller = found->second.caller_plan_id;
      if (*caller != found->second.caller_plan_id) caller->clear();
    }
    Json answer = Json::object();
    if (!repeated.empty()) {
      auto statuses = world.find_statuses(repeated);
      if (!statuses) return statuses.error();
      for (const auto& status : *statuses) {
        auto error = planning_error(world, status);
        if (!error) return error.error();
        known.answers[status.id] = *error ? failure_answer(**error) : success_answer(status.id);
      }
    }
    for (const std::string& id : ids) answer[id] = known.answers.contains(id) ? known.answers[id] : success_answer(id);
    if (fresh.empty() && !repeated.empty()) {
      const bool has_failures = std::any_of(answer.begin(), answer.end(), is_failure);
      if (!has_failures && !caller->empty()) answer[std::string(kParent)] = success_answer(*caller);
      return answer;
    }
    auto launched = launch_fresh(world, std::move(fresh), options, context, std::move(answer));
    if (launched || launched.error().code() != Code::kConflict) return launched;
    collision = launched.error();
  }
  return *collision;
}

Result<Json> BatchLauncher::launch_fresh(engine::World& world, std::vector<Entry> fresh, const Json& options,
                                         const LaunchContext& context, Json answer) const {
  engine::PlanRequest parent;
  parent.plan_id = system_ids().uuid();
  parent.action_class = parent_class();
  parent.request_id = context.request_id;
  Json outlines = Json::object();
  for (const Entry& entry : fresh) outlines[entry.id] = outline(entry);
  parent.args = Json{{"input_hash", std::move(outlines)},
                     {"launcher",
                      {{"class", class_name()},
                       {"callback", context.callback_host},
                       {"options", options.is_object() ? take_secrets(options).input : Json::object()}}}};

  std::map<std::string, Json> inputs;  // of those that may fail
  for (const Entry& entry : fresh) inputs.emplace(entry.id, entry.input);
  const std::string parent_id = parent.plan_id;
  std::vector<engine::PlanRequest> all;
  all.push_back(std::move(parent));
  for (engine::PlanRequest& request : requests(std::move(fresh), context)) {
    request.caller_plan_id = parent_id;
    request.caller_action_id = 1;
    all.push_back(std::move(request));
  }
  auto planned = world.trigger(std::move(all));
  if (!planned) return refused_by_world(planned.error());

  std::vector<FailedEntry> failed;
  for (engine::Planned& one : *planned) {
    const auto entry = inputs.find(one.plan_id);
    if (!one.error || entry == inputs.end()) continue;
    answer[one.plan_id] = failure_answer(*one.error);
    failed.push_back({one.plan_id, std::move(entry->second), std::move(*one.error)});
  }
  if (Status written = explain_failures(world, std::move(failed), context); !written) return written.error();
  // With "parent" in the answer Foreman takes failed entries for running ones until its next poll.
  if (std::none_of(answer.begin(), answer.end(), is_failure)) answer[std::string(kParent)] = success_answer(parent_id);
  return answer;
}

std::shared_ptr<Launcher> make_batch_launcher(std::string action_class_override) {
  return std::make_shared<BatchLauncher>(std::move(action_class_override));
}

}  // namespace dynflow::launcher
