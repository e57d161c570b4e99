#include "shared/engine/status_document.h"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "shared/engine/presentation.h"
#include "shared/engine/states.h"
#include "shared/json/json.h"

namespace dynflow::engine {

using persistence::ActionRecord;

namespace {

constexpr std::string_view kEmptyResult = R"("result":[])";

// Where the brackets of a top-level "result":[] stand in compact JSON text.
std::optional<std::size_t> find_empty_result(std::string_view text) {
  if (text.find(kEmptyResult) == std::string_view::npos) return std::nullopt;
  int depth = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"') {
      const bool is_match = depth == 1 && (text[at - 1] == '{' || text[at - 1] == ',') &&
                            text.substr(at, kEmptyResult.size()) == kEmptyResult;
      if (is_match) return at + kEmptyResult.size() - 2;
      for (++at; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\') ++at;
      }
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return std::nullopt;
}

void write_chunks(std::string& out, const std::vector<persistence::OutputChunk>& chunks) {
  out += '[';
  for (const auto& chunk : chunks) {
    if (out.back() != '[') out += ',';
    out += R"({"output_type":)";
    json::dump_string_to(out, chunk.output_type);
    out += R"(,"output":)";
    json::dump_string_to(out, chunk.output);
    out += R"(,"timestamp":)";
    json::dump_double_to(out, to_unix_seconds(chunk.timestamp));
    if (!chunk.id.empty()) {
      out += R"(,"id":)";
      json::dump_string_to(out, chunk.id);
    }
    out += '}';
  }
  out += ']';
}

struct Shown {
  std::string input;
  std::string output;
};

// Whether a document has more to say of it than its row.
bool is_presented(World& world, const ActionRecord& action) {
  const ActionClass* action_class = world.find_class(action.action_class);
  return (action_class && !action_class->is_presented_as_stored) || world.middleware_of(action_class);
}

Result<Shown> with_chunks(World& world, std::string_view plan_id, int action_id, Shown shown) {
  if (const auto at = find_empty_result(shown.output)) {
    const auto chunks = world.store().load_chunks(plan_id, action_id);
    if (!chunks.ok()) return chunks.error();
    if (!chunks->empty()) {
      std::string text;
      write_chunks(text, *chunks);
      shown.output.replace(*at, 2, text);
    }
  }
  return shown;
}

Shown as_stored(const ActionRecord& action) {
  return {action.input.empty() ? "{}" : action.input, action.output.empty() ? "{}" : action.output};
}

Result<Shown> show(World& world, const PlanRecord& plan, const ActionRecord& action) {
  if (!is_presented(world, action)) return with_chunks(world, plan.id, action.id, as_stored(action));
  const Presented presented = present(world, plan, action);
  return with_chunks(world, plan.id, action.id, {json::dump(presented.input), json::dump(presented.output)});
}

// The root; then the children of each action, all of them before the first one's own children
// (Dynflow 2.0.0, lib/dynflow/execution_plan.rb, each action of the tree).
class ActionOrder {
 public:
  explicit ActionOrder(const PlanRecord& plan) : plan_(plan) {
    for (const ActionRecord& action : plan.actions) {
      if (!add(action)) continue;
      descend(action);
    }
  }
  const std::vector<const ActionRecord*>& actions() const { return order_; }

 private:
  bool add(const ActionRecord& action) {
    if (!seen_.insert(action.id).second) return false;
    order_.push_back(&action);
    return true;
  }
  void descend(const ActionRecord& action) {
    const auto step = static_cast<std::size_t>(action.plan_step_id - 1);
    if (step >= plan_.steps.size()) return;
    std::vector<const ActionRecord*> children;
    for (const int id : plan_.steps[step].children) {
      const auto child_step = static_cast<std::size_t>(id - 1);
      if (child_step >= plan_.steps.size()) continue;
      const auto child = static_cast<std::size_t>(plan_.steps[child_step].action_id - 1);
      if (child < plan_.actions.size() && add(plan_.actions[child])) children.push_back(&plan_.actions[child]);
    }
    for (const ActionRecord* child : children) descend(*child);
  }

  const PlanRecord& plan_;
  std::vector<const ActionRecord*> order_;
  std::set<int> seen_;
};

// One object of a document, member by member.
class Members {
 public:
  explicit Members(std::string& out) : out_(out) { out_ += '{'; }
  ~Members() { out_ += '}'; }
  Members(const Members&) = delete;
  Members& operator=(const Members&) = delete;

  void text(std::string_view key, std::string_view value) {
    begin(key);
    json::dump_string_to(out_, value);
  }
  void text_or_null(std::string_view key, std::string_view value) {
    value.empty() ? raw(key, "null") : text(key, value);
  }
  void number_or_null(std::string_view key, std::int64_t value) {
    raw(key, value == 0 ? std::string("null") : std::to_string(value));
  }
  void number(std::string_view key, double value) {
    begin(key);
    json::dump_double_to(out_, value);
  }
  void time_or_null(std::string_view key, const std::optional<Time>& value) {
    text_or_null(key, value ? dynflow_time(*value) : std::string());
  }
  void raw(std::string_view key, std::string_view json_text) {
    begin(key);
    out_ += json_text;
  }
  // The caller writes the value.
  void begin(std::string_view key) {
    if (!is_first_) out_ += ',';
    is_first_ = false;
    out_ += '"';
    out_ += key;
    out_ += "\":";
  }

 private:
  std::string& out_;
  bool is_first_ = true;
};

void write_list(std::string& out, std::size_t count, const std::function<void(std::size_t)>& write) {
  out += '[';
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    write(i);
  }
  out += ']';
}

void write_action(std::string& out, const PlanRecord& plan, const ActionRecord& action, const Shown& shown) {
  Members members(out);
  members.text("class", action.action_class);
  members.text("execution_plan_id", plan.id);
  members.number_or_null("id", action.id);
  members.number_or_null("plan_step_id", action.plan_step_id);
  members.number_or_null("run_step_id", action.run_step_id);
  members.number_or_null("finalize_step_id", action.finalize_step_id);
  members.text_or_null("caller_execution_plan_id", action.caller_plan_id);
  members.number_or_null("caller_action_id", action.caller_action_id);
  members.raw("input", shown.input);
  members.raw("output", shown.output);
}

// Rows are missing that others name.
bool is_incomplete(const PlanRecord& plan) {
  const auto is_missing = [&](int step_id) { return step_id < 0 || static_cast<std::size_t>(step_id) > plan.steps.size(); };
  return is_missing(plan.root_plan_step_id) || std::any_of(plan.actions.begin(), plan.actions.end(), [&](const ActionRecord& action) {
    return is_missing(action.plan_step_id) || is_missing(action.run_step_id) || is_missing(action.finalize_step_id);
  });
}

// `damage`: why that is not all; empty = it is.
std::string document_of(const PlanRecord& plan, PlanResult result, const std::vector<const ActionRecord*>& actions,
                        const std::vector<Shown>& shown, std::string_view damage) {
  std::string out;
  {
    Members members(out);
    members.text("id", plan.id);
    members.text("class", "Dynflow::ExecutionPlan");
    members.text_or_null("label", plan.label);
    members.text("state", persistence::to_string(plan.state));
    members.text("result", persistence::to_string(result));
    members.number_or_null("root_plan_step_id", plan.root_plan_step_id);
    members.raw("run_flow", plan.run_flow);
    members.raw("finalize_flow", plan.finalize_flow);
    members.begin("step_ids");
    write_list(out, plan.steps.size(), [&](std::size_t i) { out += std::to_string(plan.steps[i].id); });
    members.time_or_null("started_at", plan.started_at);
    members.time_or_null("ended_at", plan.ended_at);
    members.number("execution_time", plan.execution_time);
    members.number("real_time", plan.real_time);
    members.begin("execution_history");
    write_list(out, plan.history.size(), [&](std::size_t i) {
      Members entry(out);
      entry.raw("time", std::to_string(plan.history[i].time));
      entry.text("name", plan.history[i].name);
      entry.text_or_null("world_id", plan.history[i].world_id);
    });
    members.begin("actions");
    write_list(out, shown.size(), [&](std::size_t i) { write_action(out, plan, *actions[i], shown[i]); });
    if (!damage.empty()) {
      members.raw("invalid", "true");
      members.text("error", damage);
    }
  }
  return out;
}

// What its own row says of a plan whose other rows cannot be read.
Result<std::string> damaged_document(World& world, std::string_view plan_id, const Error& damage) {
  persistence::PlanFilter filter;
  filter.ids = {std::string(plan_id)};
  const auto found = world.store().find_plans(filter, {});
  if (!found.ok()) return found.error();
  if (found->empty()) return damage;
  return document_of(found->front(), found->front().result, {}, {}, damage.message());
}

}  // namespace

Result<std::string> status_document(World& world, std::string_view plan_id) {
  const auto plan = world.find_plan(plan_id);
  if (!plan.ok()) {
    return plan.error().code() == Code::kCorrupt ? damaged_document(world, plan_id, plan.error()) : plan.error();
  }
  if (is_incomplete(*plan)) {
    return damaged_document(world, plan_id, Error(Code::kCorrupt, "plan " + plan->id + ": stored steps are missing"));
  }
  const ActionOrder order(*plan);
  std::vector<Shown> shown;
  for (const ActionRecord* action : order.actions()) {
    auto one = show(world, *plan, *action);
    if (!one.ok()) return one.error();
    shown.push_back(std::move(*one));
  }
  return document_of(*plan, result_of(plan->steps), order.actions(), shown, {});
}

Result<std::string> output_document(World& world, std::string_view plan_id, int action_id) {
  const auto stored = world.find_action(plan_id, action_id);
  if (!stored.ok()) return stored.error();
  if (!is_presented(world, *stored)) {
    auto shown = with_chunks(world, plan_id, action_id, as_stored(*stored));
    if (!shown.ok()) return shown.error();
    return std::move(shown->output);
  }
  const auto plan = world.find_plan(plan_id);
  if (!plan.ok()) return plan.error();
  return output_document(world, *plan, action_id);
}

Result<std::string> output_document(World& world, const PlanRecord& plan, int action_id) {
  for (const ActionRecord& action : plan.actions) {
    if (action.id != action_id) continue;
    auto shown = show(world, plan, action);
    if (!shown.ok()) return shown.error();
    return std::move(shown->output);
  }
  return Error(Code::kNotFound, "no action " + std::to_string(action_id) + " in execution plan " + plan.id);
}

}  // namespace dynflow::engine
