#include "migration/state/ruby_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "shared/base/utf8.h"
#include "shared/engine/flow.h"
#include "shared/engine/serializer.h"
#include "shared/launcher/secrets.h"
#include "shared/persistence/checks.h"

namespace dynflow::migration {

namespace {

using persistence::ActionRecord;
using persistence::OutputChunk;
using persistence::PlanRecord;
using persistence::StepRecord;

// Reads members of one row; the first that is wrong becomes the error.
class Reader {
 public:
  Reader(const Json& row, std::string name) : row_(row), name_(std::move(name)) {}

  const Json* find(std::string_view column) const {
    const Json* value = json::find(row_, column);
    return value != nullptr && !value->is_null() ? value : nullptr;
  }
  std::string text(std::string_view column) {
    const Json* value = find(column);
    if (value == nullptr) return {};
    if (!value->is_string()) return fail(column, "is no text"), std::string();
    return value->get<std::string>();
  }
  int number(std::string_view column) {
    const Json* value = find(column);
    if (value == nullptr) return 0;
    if (!value->is_number_integer() || value->get<std::int64_t>() < 0 || value->get<std::int64_t>() > 1'000'000'000) {
      return fail(column, "is no number of a row"), 0;
    }
    return value->get<int>();
  }
  double real(std::string_view column) {
    const Json* value = find(column);
    if (value == nullptr) return 0;
    if (!value->is_number() || !std::isfinite(value->get<double>())) return fail(column, "is no number"), 0;
    return value->get<double>();
  }
  std::optional<Time> time(std::string_view column) {
    const std::string words = text(column);
    if (words.empty()) return std::nullopt;
    const auto parsed = parse_ruby_time(words);
    if (!parsed) fail(column, "is no time");
    return parsed;
  }
  // A word of an enumeration.
  template <class Parse>
  auto word(std::string_view column, Parse parse) {
    const std::string words = text(column);
    const auto value = parse(words);
    if (!value) fail(column, fmt::format("is '{}', which is not known", to_valid_utf8(words.substr(0, 40))));
    return value.value_or(typename decltype(value)::value_type{});
  }
  void fail(std::string_view column, std::string_view what) {
    if (!error_) error_.emplace(Code::kCorrupt, fmt::format("{}: {} {}", name_, column, what));
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  const Json& row_;
  std::string name_;
  std::optional<Error> error_;
};

std::string object_text(Reader& row, std::string_view column, std::string fallback, bool& had_secrets) {
  const Json* value = row.find(column);
  if (value == nullptr) return fallback;
  if (!value->is_object()) {
    row.fail(column, "is no object");
    return fallback;
  }
  launcher::TakenSecrets taken = launcher::take_secrets(*value);
  had_secrets = had_secrets || !taken.secrets.is_null();
  rename_classes(taken.input);
  return json::dump(taken.input);
}

std::string flow_text(Reader& row, std::string_view column, std::string fallback) {
  const Json* value = row.find(column);
  if (value == nullptr) return fallback;
  const auto flow = engine::Flow::parse(json::dump(*value));
  if (!flow) {
    row.fail(column, flow.error().message());
    return fallback;
  }
  return flow->to_json();
}

std::vector<persistence::HistoryEntry> history_of(Reader& row) {
  std::vector<persistence::HistoryEntry> history;
  const Json* list = row.find("execution_history");
  if (list == nullptr) return history;
  if (!list->is_array()) row.fail("execution_history", "is no list");
  for (const Json& entry : *list) {
    history.push_back({json::get_int(entry, "time", 0), json::get_string(entry, "name"), json::get_string(entry, "world_id")});
  }
  return history;
}

std::optional<persistence::StepError> error_of(Reader& row) {
  const Json* value = row.find("error");
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) {
    row.fail("error", "is no object");
    return std::nullopt;
  }
  persistence::StepError error{json::get_string(*value, "exception_class"), json::get_string(*value, "message"), {}};
  if (const Json* lines = json::find(*value, "backtrace"); lines != nullptr && lines->is_array()) {
    for (const Json& line : *lines) {
      if (line.is_string()) error.backtrace.push_back(line.get<std::string>());
    }
  }
  return error;
}

Result<StepRecord> step_from(const Json& json_row, int expected) {
  Reader row(json_row, fmt::format("step {}", expected));
  StepRecord step;
  step.id = row.number("id");
  if (step.id != expected) return Error(Code::kCorrupt, fmt::format("step {} is missing", expected));
  step.action_id = row.number("action_id");
  // "Dynflow::ExecutionPlan::Steps::RunStep"
  std::string phase = row.text("class");
  if (const auto colon = phase.rfind(':'); colon != std::string::npos) phase.erase(0, colon + 1);
  if (phase.ends_with("Step")) phase.resize(phase.size() - 4);
  const auto known = persistence::parse_step_phase(phase);
  if (!known) row.fail("class", "is no step");
  step.phase = known.value_or(persistence::StepPhase::kPlan);
  step.state = row.word("state", persistence::parse_step_state);
  step.action_class = current_class_name(row.text("action_class"));
  if (step.phase != persistence::StepPhase::kPlan) step.queue = row.text("queue");
  if (const Json* children = row.find("children"); children != nullptr) {
    if (!children->is_array()) row.fail("children", "is no list");
    for (const Json& child : *children) {
      if (child.is_number_integer()) step.children.push_back(child.get<int>());
    }
  }
  step.error = error_of(row);
  step.started_at = row.time("started_at");
  step.ended_at = row.time("ended_at");
  step.execution_time = row.real("execution_time");
  step.real_time = row.real("real_time");
  step.progress_done = row.real("progress_done");
  step.progress_weight = row.real("progress_weight");
  if (row.error()) return *row.error();
  return step;
}

Result<ActionRecord> action_from(const Json& json_row, int expected, bool has_chunks, bool& had_secrets) {
  Reader row(json_row, fmt::format("action {}", expected));
  ActionRecord action;
  action.id = row.number("id");
  if (action.id != expected) return Error(Code::kCorrupt, fmt::format("action {} is missing", expected));
  action.action_class = current_class_name(row.text("class"));
  if (action.action_class.empty()) row.fail("class", "is missing");
  action.caller_plan_id = row.text("caller_execution_plan_id");
  action.caller_action_id = row.number("caller_action_id");
  action.plan_step_id = row.number("plan_step_id");
  action.run_step_id = row.number("run_step_id");
  action.finalize_step_id = row.number("finalize_step_id");
  action.input = object_text(row, "input", "{}", had_secrets);
  action.output = object_text(row, "output", "", had_secrets);
  if (has_chunks) {
    // Readers look for the output where "result" is an empty list.
    auto output = json::parse(action.output.empty() ? "{}" : action.output);
    if (output && !output->contains("result")) {
      (*output)["result"] = Json::array();
      action.output = json::dump(*output);
    }
  }
  if (row.error()) return *row.error();
  return action;
}

std::string storable(std::string text) {
  std::erase(text, '\0');
  return to_valid_utf8(text);
}

void add_chunk(std::vector<OutputChunk>& chunks, std::string type, std::string text, Time at) {
  if (!chunks.empty() && at <= chunks.back().timestamp) at = chunks.back().timestamp + std::chrono::microseconds(1);
  chunks.push_back({static_cast<std::int64_t>(chunks.size()) + 1, std::move(type), storable(std::move(text)), at, ""});
}

// {"output_type", "output", "timestamp"}; `at`: when it has no time of its own.
void add_output(std::vector<OutputChunk>& chunks, const Json& part, Time at) {
  const Json* when = json::find(part, "timestamp");
  const bool has_time = when != nullptr && when->is_number() && std::abs(when->get<double>()) < 1e11;
  const Json* output = json::find(part, "output");
  add_chunk(chunks, json::get_string(part, "output_type", "stdout"),
            output != nullptr && !output->is_string() ? json::dump(*output) : json::get_string(part, "output"),
            has_time ? from_unix_seconds(when->get<double>()) : at);
}

bool has_ended(const StepRecord& step) {
  using persistence::StepState;
  return step.state == StepState::kSuccess || step.state == StepState::kError || step.state == StepState::kSkipped || step.state == StepState::kCancelled;
}

// Before chunks (schema 21) runners kept their output in that of the action. What goes on to be written has to be chunks: its end would
// replace the beginning otherwise.
void move_output_to_chunks(PlanRecord& plan, std::map<int, std::vector<OutputChunk>>& chunks) {
  for (ActionRecord& action : plan.actions) {
    if (action.run_step_id == 0 || chunks.contains(action.id) || has_ended(plan.steps[static_cast<std::size_t>(action.run_step_id) - 1])) continue;
    auto output = json::parse(action.output.empty() ? "{}" : action.output);
    if (!output) continue;
    const auto result = output->find("result");
    const auto is_object = [](const Json& part) { return part.is_object(); };
    if (result == output->end() || !result->is_array() || result->empty() || !std::all_of(result->begin(), result->end(), is_object)) continue;
    for (const Json& part : *result) add_output(chunks[action.id], part, plan.started_at.value_or(Time{}));
    *result = Json::array();
    action.output = json::dump(*output);
  }
}

// A chunk is a text of one kind, or a list of what the runner wrote: {"output_type", "output", "timestamp"}
// (smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/action/runner.rb and continuous_output.rb).
Status add_chunks(std::map<int, std::vector<OutputChunk>>& all, const Json& json_row, std::size_t number) {
  Reader row(json_row, fmt::format("output chunk {}", number));
  std::vector<OutputChunk>& chunks = all[row.number("action_id")];
  const Time at = row.time("timestamp").value_or(Time{});
  const Json* chunk = row.find("chunk");
  if (chunk == nullptr) row.fail("chunk", "is missing");
  if (row.error()) return *row.error();
  if (chunk->is_array()) {
    for (const Json& part : *chunk) {
      if (!part.is_object()) return Error(Code::kCorrupt, fmt::format("output chunk {}: chunk is no list of outputs", number));
      add_output(chunks, part, at);
    }
    return {};
  }
  const std::string kind = row.text("kind");
  add_chunk(chunks, kind.empty() ? "stdout" : kind, chunk->is_string() ? chunk->get<std::string>() : json::dump(*chunk), at);
  return {};
}

Status check_references(const PlanRecord& plan) {
  const auto is_action = [&](int id) { return id >= 1 && static_cast<std::size_t>(id) <= plan.actions.size(); };
  const auto is_step = [&](int id) { return id >= 0 && static_cast<std::size_t>(id) <= plan.steps.size(); };
  for (const StepRecord& step : plan.steps) {
    if (!is_action(step.action_id)) return Error(Code::kCorrupt, fmt::format("step {}: its action {} is missing", step.id, step.action_id));
    if (!std::all_of(step.children.begin(), step.children.end(), is_step)) {
      return Error(Code::kCorrupt, fmt::format("step {}: a child is missing", step.id));
    }
  }
  for (const ActionRecord& action : plan.actions) {
    if (!is_step(action.plan_step_id) || !is_step(action.run_step_id) || !is_step(action.finalize_step_id)) {
      return Error(Code::kCorrupt, fmt::format("action {}: a step of it is missing", action.id));
    }
  }
  for (const std::string* text : {&plan.run_flow, &plan.finalize_flow}) {
    const auto flow = engine::Flow::parse(*text);
    if (!flow) return flow.error();
    for (const int id : flow->step_ids()) {
      if (id < 1 || !is_step(id)) return Error(Code::kCorrupt, fmt::format("a flow names step {}, which is missing", id));
    }
  }
  return {};
}

// What a plan that waits was called with: a list, of which our actions take one object (Dynflow 2.0.0,
// lib/dynflow/delayed_plan.rb and serializers/noop.rb).
Result<std::string> args_from(Reader& row) {
  const std::string serializer = row.text("args_serializer");
  if (serializer != engine::NoopSerializer().name()) {
    return Error(Code::kUnprocessable, fmt::format("waits for its time, and only Ruby can read what {} wrote", serializer.empty() ? "it" : serializer));
  }
  const Json* args = row.find("serialized_args");
  if (args == nullptr || !args->is_array() || args->size() != 1 || !args->front().is_object()) {
    return Error(Code::kUnprocessable, "waits for its time, and was not called with one set of values");
  }
  launcher::TakenSecrets taken = launcher::take_secrets(args->front());
  if (!taken.secrets.is_null()) {
    return Error(Code::kUnprocessable, "waits for its time, and was called with passwords, which are not stored: cancel it and launch it anew");
  }
  rename_classes(taken.input);
  return json::dump(taken.input);
}

Result<persistence::DelayedRecord> delayed_from(const RubyPlanRows& rows, const std::string& plan_id) {
  if (!rows.delayed) return Error(Code::kCorrupt, "plan: it is scheduled, and its row among the delayed plans is missing");
  Reader row(*rows.delayed, "delayed plan");
  persistence::DelayedRecord delayed;
  delayed.plan_id = plan_id;
  delayed.start_at = row.time("start_at");
  delayed.start_before = row.time("start_before");
  delayed.is_frozen = row.number("frozen") != 0;
  delayed.serializer = engine::NoopSerializer().name();
  delayed.blocked_by = rows.blocked_by;
  if (row.error()) return *row.error();
  auto args = args_from(row);
  if (!args) return args.error();
  delayed.args = *std::move(args);
  return delayed;
}

}  // namespace

Result<StoredPlan> plan_from_rows(const RubyPlanRows& rows) {
  StoredPlan stored;
  Reader row(rows.plan, "plan");
  PlanRecord& plan = stored.plan;
  plan.id = row.text("uuid");
  plan.label = current_class_name(row.text("label"));
  plan.state = row.word("state", persistence::parse_plan_state);
  plan.result = row.word("result", persistence::parse_plan_result);
  plan.root_plan_step_id = row.number("root_plan_step_id");
  plan.run_flow = flow_text(row, "run_flow", plan.run_flow);
  plan.finalize_flow = flow_text(row, "finalize_flow", plan.finalize_flow);
  plan.started_at = row.time("started_at");
  plan.ended_at = row.time("ended_at");
  plan.execution_time = row.real("execution_time");
  plan.real_time = row.real("real_time");
  plan.history = history_of(row);
  if (row.error()) return *row.error();
  if (const Json* ids = row.find("step_ids"); ids != nullptr && ids->is_array() && ids->size() != rows.steps.size()) {
    return Error(Code::kCorrupt, fmt::format("plan: step_ids names {} steps, {} are stored", ids->size(), rows.steps.size()));
  }

  std::map<int, std::vector<OutputChunk>> chunks;
  for (std::size_t i = 0; i < rows.chunks.size(); ++i) {
    if (Status added = add_chunks(chunks, rows.chunks[i], i + 1); !added.ok()) return added.error();
  }
  for (std::size_t i = 0; i < rows.steps.size(); ++i) {
    auto step = step_from(rows.steps[i], static_cast<int>(i) + 1);
    if (!step) return step.error();
    plan.steps.push_back(std::move(*step));
  }
  for (std::size_t i = 0; i < rows.actions.size(); ++i) {
    const int id = static_cast<int>(i) + 1;
    auto action = action_from(rows.actions[i], id, chunks.contains(id), stored.had_secrets);
    if (!action) return action.error();
    plan.actions.push_back(std::move(*action));
  }
  if (Status whole = check_references(plan); !whole.ok()) return whole.error();
  move_output_to_chunks(plan, chunks);
  for (auto& [id, list] : chunks) {
    if (id < 1 || static_cast<std::size_t>(id) > plan.actions.size()) {
      return Error(Code::kCorrupt, fmt::format("output chunks of action {}, which is missing", id));
    }
    stored.chunks.emplace_back(id, std::move(list));
  }
  // The row goes when the plan is taken up: of one that is not scheduled it is left over.
  if (plan.state == persistence::PlanState::kScheduled) {
    auto delayed = delayed_from(rows, plan.id);
    if (!delayed) return delayed.error();
    stored.delayed = *std::move(delayed);
  }
  return stored;
}

}  // namespace dynflow::migration
