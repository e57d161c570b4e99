// What is stored: the rows of execution plans, their actions and steps, output chunks, events, and callbacks that wait
// for delivery. Plain values; the engine gives them meaning.
//
// Source of names and states: Dynflow 2.0.0, lib/dynflow/execution_plan.rb, lib/dynflow/execution_plan/steps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/clock.h"

namespace dynflow::persistence {

enum class PlanState {
  kPending,    // stored, planning has not begun
  kScheduled,  // waits for its time or for other plans
  kPlanning,   // its plan phase runs
  kPlanned,    // may start
  kRunning,    // a world works on it, or one of its steps is suspended
  kPaused,     // stopped by an error; may be resumed
  kStopped,    // for good
};
enum class PlanResult { kPending, kSuccess, kWarning, kError, kCancelled };
enum class StepPhase { kPlan, kRun, kFinalize };
enum class StepState {
  kScheduling, kPending, kRunning, kSuccess, kSuspended, kSkipping, kSkipped, kError, kCancelled,
};

// The words used in documents and rows: "planned", "success", ...
std::string_view to_string(PlanState state);
std::string_view to_string(PlanResult result);
std::string_view to_string(StepState state);
std::string_view to_string(StepPhase phase);  // "Plan", "Run", "Finalize"
std::optional<PlanState> parse_plan_state(std::string_view word);
std::optional<PlanResult> parse_plan_result(std::string_view word);
std::optional<StepState> parse_step_state(std::string_view word);
std::optional<StepPhase> parse_step_phase(std::string_view word);

struct StepError {
  std::string exception_class;         // "RuntimeError", "StandardError": part of texts that people grep for
  std::string message;
  std::vector<std::string> backtrace;  // may be empty
  bool operator==(const StepError&) const = default;
};

struct HistoryEntry {
  std::int64_t time = 0;  // epoch seconds
  std::string name;       // "start execution", ...
  std::string world_id;
  bool operator==(const HistoryEntry&) const = default;
};

struct StepRecord {
  int id = 0;                 // from 1, in planning order
  int action_id = 0;
  StepPhase phase = StepPhase::kPlan;
  StepState state = StepState::kPending;
  std::string action_class;
  std::string queue;          // empty for plan steps
  std::vector<int> children;  // plan steps: the plan steps of planned actions
  std::optional<StepError> error;
  std::optional<Time> started_at;
  std::optional<Time> ended_at;
  double execution_time = 0;  // seconds, summed over its executions
  double real_time = 0;       // seconds from first start to last end
  double progress_done = 0;
  double progress_weight = 1;
  bool operator==(const StepRecord&) const = default;
};

struct ActionRecord {
  int id = 0;                    // from 1, in planning order
  std::string action_class;      // as the client named it
  std::string caller_plan_id;    // set on the root action of a sub-plan, else empty
  int caller_action_id = 0;      // 0 = none
  int plan_step_id = 0;
  int run_step_id = 0;           // 0 = none
  int finalize_step_id = 0;      // 0 = none
  std::string input = "{}";      // JSON object
  std::string output;            // JSON object; empty until planned or run
  bool operator==(const ActionRecord&) const = default;
};

struct PlanRecord {
  std::string id;                // any text a client chose; a UUID when made here
  std::string label;             // empty = null: planning has not ended
  PlanState state = PlanState::kPending;
  PlanResult result = PlanResult::kPending;
  int root_plan_step_id = 0;     // 0 = null
  std::string run_flow = R"(["C"])";      // JSON, array form
  std::string finalize_flow = R"(["S"])";
  std::optional<Time> started_at;
  std::optional<Time> ended_at;
  double execution_time = 0;
  double real_time = 0;
  std::vector<HistoryEntry> history;
  std::string request_digest;    // of the launch that made it; empty = none (idempotency, not a secret)
  std::string owner;             // the world that works on it; empty = whoever comes first
  std::vector<StepRecord> steps;      // by id
  std::vector<ActionRecord> actions;  // by id
  bool operator==(const PlanRecord&) const = default;
};

// The part of a plan that changes while it runs.
struct PlanProgress {
  PlanState state = PlanState::kPending;
  PlanResult result = PlanResult::kPending;
  std::optional<Time> started_at;
  std::optional<Time> ended_at;
  double execution_time = 0;
  double real_time = 0;
  std::vector<HistoryEntry> history;
};

// One piece of output. `sequence` counts from 1 within an action, without holes but for what was dropped.
struct OutputChunk {
  std::int64_t sequence = 0;
  std::string output_type;  // "stdout", "stderr", "debug"
  std::string output;       // valid UTF-8 without NUL
  Time timestamp{};         // strictly growing within an action
  std::string id;           // what the source calls it; empty = none
  bool operator==(const OutputChunk&) const = default;
};

// An event that was acknowledged and not yet handled by its step: from outside (a host's update or done, a cancel), from
// another plan, or a timer.
struct EventRecord {
  std::string id;
  std::string plan_id;
  int step_id = 0;          // 0: meant for the plan itself
  std::string name;
  std::string data;         // JSON
  Time created_at{};
  std::optional<Time> due_at{};  // a timer: not before then
  bool operator==(const EventRecord&) const = default;
};

// A plan that waits for its time or for other plans, beside its row in state `scheduled`. Deleted when it is planned.
struct DelayedRecord {
  std::string plan_id;
  std::optional<Time> start_at;      // not before; none = as soon as nothing blocks it
  std::optional<Time> start_before;  // not after: it fails then
  bool is_frozen = false;            // never picked up
  std::string serializer;            // names how `args` came to be
  std::string args;                  // JSON
  std::vector<std::string> blocked_by;  // ids of the plans it waits for
  bool operator==(const DelayedRecord&) const = default;
};

// What became of a plan that a delayed one waits for; kept when that plan is cleaned.
struct Prerequisite {
  std::string plan_id;
  PlanState state = PlanState::kPending;
  PlanResult result = PlanResult::kPending;
  bool operator==(const Prerequisite&) const = default;
};

// A running instance of the engine.
struct WorldRecord {
  std::string id;
  std::string meta;          // JSON object: host name, process id, queues
  Time last_seen{};          // by the database's clock
  bool is_alive = false;     // its lease has not run out
  bool operator==(const WorldRecord&) const = default;
};

// A named lock that a plan holds (a singleton action's).
struct LockRecord {
  std::string name;
  std::string plan_id;
  bool operator==(const LockRecord&) const = default;
};

// A callback to Foreman that waits for its delivery.
struct OutboxRecord {
  std::string id;
  std::string plan_id;
  int action_id = 0;        // the action whose output is the data; 0: `data` holds it
  std::string callback;     // JSON: {"task_id","step_id"}
  std::string data;         // JSON; with an action: what its output says besides, or empty
  std::string request_id;   // of the request that launched the task
  int attempts = 0;
  Time created_at{};
  Time next_attempt_at{};
  std::string last_error;   // of the last attempt; empty = none yet
  bool is_abandoned = false;  // given up: kept visible until its plan is cleaned
  std::int64_t version = 0;   // made by the store: grows each time the entry is put
  bool operator==(const OutboxRecord&) const = default;
};

struct PlanStatus {
  std::string id;
  PlanState state = PlanState::kPending;
  PlanResult result = PlanResult::kPending;
  bool operator==(const PlanStatus&) const = default;
};

// What a launch compares itself with.
struct PlanIdentity {
  std::string id;
  std::string request_digest;
  std::string caller_plan_id;  // the batch it was launched with; empty = none
  bool operator==(const PlanIdentity&) const = default;
};

// Which plans to look for; what is not set does not matter.
struct PlanFilter {
  std::optional<std::vector<PlanState>> states;    // an empty list matches none
  std::optional<std::vector<PlanResult>> results;  // the same
  std::optional<std::vector<std::string>> labels;  // the same
  std::optional<std::vector<std::string>> ids;     // the same
  std::optional<std::string> caller_plan_id;
  std::optional<int> caller_action_id;
  std::optional<bool> is_delayed;                  // has a delayed record
  std::optional<Time> ended_after;                 // not before
};

// Ties are in the order of insertion.
struct PlanOrder {
  enum class Column { kInserted, kId, kLabel, kState, kResult, kStartedAt, kEndedAt, kExecutionTime, kRealTime };
  Column column = Column::kInserted;
  bool is_descending = false;
  std::size_t offset = 0;
  std::size_t limit = 0;  // 0 = all
};

}  // namespace dynflow::persistence
