#include "shared/persistence/checks.h"

#include <fmt/format.h>

#include <cstring>
#include <initializer_list>

#include "shared/base/utf8.h"

namespace dynflow::persistence {
namespace {

struct Field {
  std::string_view name;
  std::string_view text;
};

// The first field that cannot be stored; an empty name when all can.
std::string_view first_bad(std::initializer_list<Field> fields) {
  for (const Field& field : fields) {
    if (!is_storable(field.text)) return field.name;
  }
  return {};
}

std::string_view first_bad(const std::vector<HistoryEntry>& history) {
  for (const HistoryEntry& entry : history) {
    if (auto bad = first_bad({{"history", entry.name}, {"history", entry.world_id}}); !bad.empty()) return bad;
  }
  return {};
}

std::string_view first_bad(const StepRecord& step) {
  if (step.error) {
    for (const std::string& line : step.error->backtrace) {
      if (!is_storable(line)) return "step error";
    }
    const StepError& error = *step.error;
    if (auto bad = first_bad({{"step error", error.exception_class}, {"step error", error.message}}); !bad.empty())
      return bad;
  }
  return first_bad({{"step class", step.action_class}, {"step queue", step.queue}});
}

std::string_view first_bad(const ActionRecord& action) {
  return first_bad({{"action class", action.action_class},
                    {"caller plan id", action.caller_plan_id},
                    {"action input", action.input},
                    {"action output", action.output}});
}

std::string_view first_bad(const PlanRecord& plan) {
  if (plan.id.empty()) return "plan id";
  for (const StepRecord& step : plan.steps) {
    if (auto bad = first_bad(step); !bad.empty()) return bad;
  }
  for (const ActionRecord& action : plan.actions) {
    if (auto bad = first_bad(action); !bad.empty()) return bad;
  }
  if (auto bad = first_bad(plan.history); !bad.empty()) return bad;
  return first_bad({{"plan id", plan.id},
                    {"label", plan.label},
                    {"run flow", plan.run_flow},
                    {"finalize flow", plan.finalize_flow},
                    {"request digest", plan.request_digest},
                    {"plan owner", plan.owner}});
}

std::string_view first_bad(const WriteBatch::InsertPlan& change) { return first_bad(change.plan); }

std::string_view first_bad(const WriteBatch::ReplacePlan& change) { return first_bad(change.plan); }

std::string_view first_bad(const WriteBatch::UpdatePlan& change) {
  if (!is_storable(change.plan_id)) return "plan id";
  return first_bad(change.progress.history);
}

std::string_view first_bad(const WriteBatch::UpdateStep& change) {
  if (!is_storable(change.plan_id)) return "plan id";
  return first_bad(change.step);
}

std::string_view first_bad(const WriteBatch::UpdateAction& change) {
  return first_bad({{"plan id", change.plan_id}, {"action input", change.input}, {"action output", change.output}});
}

std::string_view first_bad(const WriteBatch::AppendChunks& change) {
  if (!is_storable(change.plan_id)) return "plan id";
  for (const OutputChunk& chunk : change.chunks) {
    if (chunk.sequence < 1) return "chunk sequence";
    auto bad = first_bad({{"chunk type", chunk.output_type}, {"chunk output", chunk.output}, {"chunk id", chunk.id}});
    if (!bad.empty()) return bad;
  }
  return {};
}

std::string_view first_bad(const WriteBatch::DropChunks& change) { return first_bad({{"plan id", change.plan_id}}); }

std::string_view first_bad(const WriteBatch::PutEvent& change) {
  const EventRecord& event = change.event;
  return first_bad({{"event id", event.id},
                    {"event plan id", event.plan_id},
                    {"event name", event.name},
                    {"event data", event.data}});
}

std::string_view first_bad(const WriteBatch::DeleteEvent& change) { return first_bad({{"event id", change.event_id}}); }

std::string_view first_bad(const WriteBatch::WakeOwner& change) { return first_bad({{"plan id", change.plan_id}}); }

std::string_view first_bad(const WriteBatch::PutOutbox& change) {
  const OutboxRecord& entry = change.entry;
  return first_bad({{"outbox id", entry.id},
                    {"outbox plan id", entry.plan_id},
                    {"outbox callback", entry.callback},
                    {"outbox data", entry.data},
                    {"outbox request id", entry.request_id},
                    {"outbox last error", entry.last_error}});
}

std::string_view first_bad(const WriteBatch::DeleteOutbox& change) {
  return first_bad({{"outbox id", change.entry_id}});
}

std::string_view first_bad(const WriteBatch::PutDelayed& change) {
  const DelayedRecord& delayed = change.delayed;
  for (const std::string& id : delayed.blocked_by) {
    if (!is_storable(id)) return "prerequisite id";
  }
  return first_bad({{"plan id", delayed.plan_id}, {"serializer", delayed.serializer}, {"arguments", delayed.args}});
}

std::string_view first_bad(const WriteBatch::PutSecrets& change) {
  return first_bad({{"plan id", change.plan_id}, {"sealed secrets", change.sealed}});
}

std::string_view first_bad(const WriteBatch::DeleteSecrets& change) { return first_bad({{"plan id", change.plan_id}}); }

std::string_view first_bad(const WriteBatch::DeleteDelayed& change) {
  return first_bad({{"plan id", change.plan_id}});
}

std::string_view first_bad(const WriteBatch::ReleaseLocks& change) { return first_bad({{"plan id", change.plan_id}}); }

Status refuse(std::string_view bad) {
  if (bad.empty()) return {};
  return Error(Code::kInvalid, fmt::format("cannot be stored: {} (empty, out of range, NUL or no UTF-8)", bad));
}

}  // namespace

bool is_storable(std::string_view text) {
  return text.empty() || (std::memchr(text.data(), '\0', text.size()) == nullptr && is_valid_utf8(text));
}

Status check(const WriteBatch& batch) {
  for (const WriteBatch::Change& change : batch.changes()) {
    const std::string_view bad = std::visit([](const auto& one) { return first_bad(one); }, change);
    if (!bad.empty()) return refuse(bad);
  }
  return {};
}

Status check(const WorldRecord& world) {
  return refuse(world.id.empty() ? "world id" : first_bad({{"world id", world.id}, {"world meta", world.meta}}));
}

Status check(const LockRecord& lock) {
  return refuse(lock.name.empty() ? "lock name" : first_bad({{"lock name", lock.name}, {"plan id", lock.plan_id}}));
}

}  // namespace dynflow::persistence
