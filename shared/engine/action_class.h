// What the registry knows about a class of actions.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shared/engine/action.h"
#include "shared/engine/hooks.h"
#include "shared/engine/middleware.h"

namespace dynflow::engine {

struct ActionClass {
  std::string name;                  // canonical
  std::vector<std::string> aliases;  // other names clients and stored plans use
  // The class whose middleware, hooks and subscriptions this one has too; registered before. Empty = none. What does
  // not say so is not inherited: it tells about this C++ class.
  std::string parent;
  bool has_run = false;
  bool has_finalize = false;
  bool takes_events = false;         // run() looks at its event; else an event is an error of the suspended step
  bool is_cancellable = false;       // run() understands kCancel and kAbort
  // run() is told, by a stored event kSubPlanFinished, when a plan that the action made has stopped or paused (sub_plans.h).
  bool listens_to_sub_plans = false;
  // What run() waits for is stored: events planned with plan_event() alone. A later world then does not run the step again with
  // no event, but waits on, where an event or timer for it is stored.
  bool rearms_timers = false;
  // run() is quick, has no effect outside the plan's own rows, and may be repeated: the engine does not wait until it is
  // durable that the step runs. A plan of such steps costs one write.
  bool is_pure = false;
  // run() does nothing outside before Running::when_stored() tells it that its result is durable: so a step whose result is not stored
  // has done nothing, and the engine does not wait until it is durable that it runs.
  bool acts_when_stored = false;
  // present() changes nothing: documents take the stored text without parsing it.
  bool is_presented_as_stored = false;
  bool is_singleton = false;         // of this class at most one plan is in work (singleton.h); inherited
  // Of its run and finalize steps (queues.h). Empty: the queue of the class of the action that planned it, else "default".
  std::string queue;
  // Classes with which this one is planned, concurrently and with the same arguments. Not set: those of the parent.
  std::optional<std::vector<std::string>> subscribes_to;
  // Outermost first, inside those of the world and of the parents; see MiddlewareUse for rules that change the order.
  std::vector<MiddlewareUse> middleware;
  std::vector<std::string> unused_middleware;  // names of inherited ones that this class does without
  std::vector<Hook> hooks;                     // beside those of the parents; one of the same name replaces theirs
  std::vector<RemovedHook> removed_hooks;      // of the parents
  std::function<std::unique_ptr<Action>()> make;
};

}  // namespace dynflow::engine
