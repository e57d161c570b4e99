#include "shared/engine/action.h"

#include "shared/engine/references.h"
#include "shared/engine/serializer.h"
#include "shared/engine/world.h"
#include "shared/json/json.h"

namespace dynflow::engine {

const Clock& PhaseContext::clock() { return world().clock(); }

void SuspendedAction::send(Event event) const {
  if (world_ != nullptr) world_->send(plan_id_, step_id_, std::move(event));
}

OutputReference OutputReference::operator[](std::string key) const {
  OutputReference reference = *this;
  reference.subkeys.push_back(std::move(key));
  return reference;
}

Json OutputReference::to_json() const {
  Json json = Json::object();
  json["class"] = kOutputReferenceClass;
  json["execution_plan_id"] = plan_id;
  json["step_id"] = step_id;
  json["action_id"] = action_id;
  json["subkeys"] = subkeys;
  return json;
}

const Serializer& Action::serializer() const {
  static const NoopSerializer noop;
  return noop;
}

void Action::plan(Planning& planning, Json args) {
  const Json* trigger = planning.trigger_input();
  planning.plan_self(trigger ? Json(*trigger) : std::move(args));
}

void Action::run(Running&, const Event*) {}

void Action::finalize(Finalizing&) {}

Progress Action::run_progress(const Json&, const Json&) const { return {}; }

Progress Action::finalize_progress(const Json&, const Json&) const { return {}; }

void Action::present(Presenting&) const {}

std::string Action::humanized_state(const persistence::StepRecord& step, const Json&) const {
  return std::string(persistence::to_string(step.state));
}

std::string Action::label(const Json&) const { return {}; }

}  // namespace dynflow::engine
