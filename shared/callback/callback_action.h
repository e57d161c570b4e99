// The action that reports a task to Foreman: it puts the callback into the outbox in the transaction that ends the action itself. And
// what reports tasks whose callback action never came to run.
//
// Threads: the action and the observer run on strands of plans; the rest from any thread.
//
// Source: theforeman/smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/callback.rb. There a task that fails before its callback is
// never reported.
#pragma once

#include <string>
#include <string_view>

#include "shared/callback/ended_plans.h"
#include "shared/callback/outbox.h"
#include "shared/engine/registry.h"
#include "shared/engine/world.h"

namespace dynflow::callback {

inline constexpr std::string_view kCallbackAction = "Proxy::Dynflow::Callback::Action";
inline constexpr std::string_view kOldCallbackAction = "SmartProxyDynflowCore::Callback::Action";

// Input {"callback": {"task_id","step_id"}, "data": reference to the output to report}.
Status register_callback_action(engine::ActionRegistry& registry);

// A plan that pauses or stops before its callbacks were put into the outbox gets them now, with the error's text as a piece of
// output and EXCEPTION as exit status unless there is one. Wakes the outbox when callbacks became durable.
class CallbackObserver final : public engine::PlanObserver {
 public:
  // `clock` outlives the observer.
  explicit CallbackObserver(const Clock& clock) : clock_(clock), ended_(clock) {}
  // Before the world starts. The outbox must outlive the world.
  void set_outbox(Outbox* outbox) { outbox_ = outbox; }

  void plan_changed(const persistence::PlanRecord& plan, persistence::WriteBatch& batch) override;
  void plan_dropped(const std::string& plan_id) override { ended_.forget(plan_id); }
  void rows_stored() override;

  // Those that have something to report.
  EndedPlans& ended_plans() { return ended_; }

 private:
  const Clock& clock_;
  EndedPlans ended_;
  Outbox* outbox_ = nullptr;
};

// What an outbox entry reports: the output document of its action, of the plan as it was kept when it ended, else as it is now.
Outbox::DataOf data_from(engine::World& world, EndedPlans& ended);
// `output` with the members of `addition`: pieces of "result" behind those that are there, others only where there are none.
Result<std::string> merge_output(const std::string& output, const std::string& addition);

}  // namespace dynflow::callback
