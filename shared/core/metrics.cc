#include "shared/core/metrics.h"

#include <algorithm>
#include <string>

#include "shared/persistence/store_numbers.h"
#include "shared/plugin/build_id.h"

namespace dynflow::core {
namespace {

using metrics::Kind;
using metrics::Text;
using persistence::PlanResult;
using persistence::PlanState;
using persistence::StepPhase;

constexpr std::array kStates{PlanState::kPending, PlanState::kScheduled, PlanState::kPlanning, PlanState::kPlanned,
                             PlanState::kRunning, PlanState::kPaused,    PlanState::kStopped};
constexpr std::array kResults{PlanResult::kPending, PlanResult::kSuccess, PlanResult::kWarning, PlanResult::kError, PlanResult::kCancelled};
constexpr std::array kPhases{StepPhase::kPlan, StepPhase::kRun, StepPhase::kFinalize};

void write_plans(Text& text, persistence::Store& store) {
  text.family("dynflow_plans", Kind::kGauge, "Execution plans in the database, by state.");
  for (const PlanState state : kStates) {
    if (const auto count = store.count_plans(state); count.ok()) text.sample({{"state", to_string(state)}}, *count);
  }
}

void write_world(Text& text, engine::World& world) {
  text.single("dynflow_active_plans", Kind::kGauge, "Plans that this world has taken on.", world.active_plans());
  text.single("dynflow_resident_plans", Kind::kGauge, "Plans in memory.", world.resident_plans());
  text.single("dynflow_unused_events_total", Kind::kCounter, "Events for plans and steps that did not take them any more.", world.dead_letters());
  const auto queues = world.queues();
  text.family("dynflow_queue_waiting", Kind::kGauge, "Steps that wait for a place in their queue.");
  for (const auto& queue : queues) text.sample({{"queue", queue.name}}, queue.waiting);
  text.family("dynflow_queue_free", Kind::kGauge, "Free places of a queue; 0 in one without a limit of its own.");
  for (const auto& queue : queues) text.sample({{"queue", queue.name}}, queue.free);
  text.family("dynflow_queue_capacity", Kind::kGauge, "Steps of a queue at work at once; 0: as many as there are threads.");
  for (const auto& queue : queues) text.sample({{"queue", queue.name}}, queue.pool_size);
}

void write_runners(Text& text, const runner::Dispatcher& dispatcher, std::size_t most) {
  text.family("dynflow_runners", Kind::kGauge, "Runners, which do the work outside.");
  text.sample({{"state", "running"}}, dispatcher.running());
  text.sample({{"state", "waiting"}}, dispatcher.waiting());
  text.single("dynflow_runners_max", Kind::kGauge, "Runners at work at once, at most.", most);
}

void write_callbacks(Text& text, const callback::Outbox& outbox, persistence::Watched* store) {
  const callback::OutboxNumbers numbers = outbox.numbers();
  text.single("dynflow_callbacks_delivered_total", Kind::kCounter, "Callbacks that Foreman took.", numbers.delivered);
  text.single("dynflow_callbacks_refused_total", Kind::kCounter, "Attempts with one callback that Foreman refused; it is tried again.", numbers.refused);
  text.single("dynflow_callback_requests_failed_total", Kind::kCounter, "Requests that did not reach Foreman, or that it had no answer to.", numbers.failed_requests);
  text.single("dynflow_callbacks_abandoned_total", Kind::kCounter, "Callbacks given up.", numbers.abandoned);
  text.single("dynflow_foreman_away", Kind::kGauge, "1 while callbacks wait for Foreman to come back.", numbers.is_foreman_away ? 1 : 0);
  const auto backlog = store != nullptr ? store->callback_backlog() : Error(Code::kUnavailable, "not told");
  if (!backlog.ok()) return;
  text.single("dynflow_callbacks_waiting", Kind::kGauge, "Callbacks that are not delivered yet.", backlog->waiting);
  text.single("dynflow_callbacks_abandoned", Kind::kGauge, "Callbacks given up whose plans were not cleaned yet.", backlog->abandoned);
  const double age = backlog->oldest ? to_unix_seconds(system_clock().now()) - to_unix_seconds(*backlog->oldest) : 0.0;
  text.single("dynflow_callback_oldest_age_seconds", Kind::kGauge, "Age of the callback that waits longest; 0 when none does.", std::max(0.0, age));
}

void write_store(Text& text, const persistence::Watched& store) {
  const persistence::StoreNumbers& numbers = store.numbers();
  text.single("dynflow_store_commit_duration_seconds", Kind::kHistogram, "Transactions of the writer, from begin until durable.", numbers.commits);
  text.single("dynflow_store_batches_total", Kind::kCounter, "Batches of changes given to the database; many share a transaction.", numbers.batches);
  text.single("dynflow_store_batches_failed_total", Kind::kCounter, "Batches that failed and changed nothing.", numbers.failed_batches);
  text.single("dynflow_store_changes_total", Kind::kCounter, "Changes in these batches.", numbers.changes);
  text.single("dynflow_store_waiting_changes", Kind::kGauge, "Changes that wait to be written.", store.waiting_changes());
  text.single("dynflow_store_read_duration_seconds", Kind::kHistogram, "How long a connection was lent for reading.", numbers.reads);
}

}  // namespace

void PlanNumbers::plan_changed(const persistence::PlanRecord& plan, persistence::WriteBatch&) {
  if (plan.state == PlanState::kPaused) paused_.add();
  if (plan.state != PlanState::kStopped) return;
  ended_[static_cast<std::size_t>(plan.result)].add();
  for (const persistence::StepRecord& step : plan.steps) {
    if (!step.started_at) continue;
    Phase& phase = phases_[static_cast<std::size_t>(step.phase)];
    phase.durations.observe(step.real_time);
    phase.work.observe(step.execution_time);
    if (step.state == persistence::StepState::kError) phase.failed.add();
  }
}

void PlanNumbers::write(Text& text) const {
  text.family("dynflow_plans_ended_total", Kind::kCounter, "Plans that this process has seen stop, by result.");
  for (std::size_t i = 0; i < ended_.size(); ++i) text.sample({{"result", to_string(kResults[i])}}, ended_[i]);
  text.single("dynflow_plans_paused_total", Kind::kCounter, "How often a plan was paused by an error.", paused_);
  text.family("dynflow_step_duration_seconds", Kind::kHistogram, "Steps of plans that stopped, from their first start to their last end.");
  for (std::size_t i = 0; i < phases_.size(); ++i) text.sample({{"phase", to_string(kPhases[i])}}, phases_[i].durations);
  text.family("dynflow_step_work_seconds", Kind::kHistogram, "The same steps: how long they were at work, without what they waited for.");
  for (std::size_t i = 0; i < phases_.size(); ++i) text.sample({{"phase", to_string(kPhases[i])}}, phases_[i].work);
  text.family("dynflow_steps_failed_total", Kind::kCounter, "Steps of plans that stopped, that ended in an error.");
  for (std::size_t i = 0; i < phases_.size(); ++i) text.sample({{"phase", to_string(kPhases[i])}}, phases_[i].failed);
}

std::string metrics_text(const Measured& measured) {
  Text text;
  text.family("dynflow_build_info", Kind::kGauge, "The version of the core, as a label.").sample({{"version", plugin::kBuildId.substr(0, plugin::kBuildId.find(' '))}}, 1);
  write_plans(text, measured.store);
  measured.plans.write(text);
  write_world(text, measured.world);
  write_runners(text, measured.dispatcher, measured.max_runners);
  persistence::Watched* store = persistence::watched(measured.store);
  write_callbacks(text, measured.outbox, store);
  if (store != nullptr) write_store(text, *store);
  return text.take();
}

}  // namespace dynflow::core
