// Middleware: code around the phases of actions. A middleware overrides the phases it cares about and calls `pass` once to go on;
// not calling it skips the phase. It may change what goes in before, and what came out after.
//
// Per action: delay, plan, run, finalize, present, hook. Once per plan: plan_phase, by the class of the root action, and
// finalize_phase, by that of the first finalize step.
//
// Order, outermost first: the world's, those of the class's oldest ancestor, ..., the class's own; except where a rule says
// otherwise.
//
// Threads: one object serves all plans, from many threads at once.
//
// Errors: what a middleware throws is an error of the phase, as if the action had thrown it.
//
// Source: Dynflow 2.0.0, lib/dynflow/middleware.rb, middleware/{register,resolver,stack}.rb.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "shared/base/result.h"
#include "shared/engine/action.h"

namespace dynflow::engine {

struct ActionClass;
class ActionRegistry;
struct HookContext;

// A plan that is stored to be planned later.
struct Delaying {
  World& world;
  const std::string& plan_id;
  const std::string& action_class;
  Json& args;  // what plan() will get
};

// A plan whose plan phase or finalize phase is about to happen. While planning it has no steps yet before `pass`.
struct WholePlan {
  World& world;
  const persistence::PlanRecord& plan;
};

class Middleware {
 public:
  using Pass = std::function<void()>;
  using PassEvent = std::function<void(const Event*)>;

  virtual ~Middleware() = default;
  virtual void delay(Delaying& delaying, const Pass& pass);
  virtual void plan(Planning& planning, Json& args, const Pass& pass);
  virtual void plan_phase(const WholePlan& plan, const Pass& pass);
  virtual void run(Running& running, const Event* event, const PassEvent& pass);
  virtual void finalize(Finalizing& finalizing, const Pass& pass);
  virtual void finalize_phase(const WholePlan& plan, const Pass& pass);
  virtual void present(Presenting& presenting, const Pass& pass);
  virtual void hook(const HookContext& context, const Pass& pass);
};

// A middleware of a world or a class. Rules name others; names that are not there do not matter.
struct MiddlewareUse {
  std::string name;
  std::shared_ptr<Middleware> middleware;  // shared by the classes, worlds and stacks that use it
  std::vector<std::string> before;   // this one is further out than those
  std::vector<std::string> after;    // further in
  std::vector<std::string> replace;  // takes the place of those, and their rules
};

// The middleware of one class in its order.
class MiddlewareStack {
 public:
  // `lineage`: the class first, its oldest ancestor last. kInvalid: the rules form a circle.
  static Result<MiddlewareStack> resolve(const std::vector<MiddlewareUse>& of_world,
                                         const std::vector<const ActionClass*>& lineage);

  bool is_empty() const { return middlewares_.empty(); }
  std::size_t size() const { return middlewares_.size(); }
  const std::vector<std::string>& names() const { return names_; }  // outermost first

  // Runs `inner` inside all of them.
  void delay(Delaying& delaying, const Middleware::Pass& inner) const;
  void plan(Planning& planning, Json& args, const Middleware::Pass& inner) const;
  void plan_phase(const WholePlan& plan, const Middleware::Pass& inner) const;
  void run(Running& running, const Event* event, const Middleware::PassEvent& inner) const;
  void finalize(Finalizing& finalizing, const Middleware::Pass& inner) const;
  void finalize_phase(const WholePlan& plan, const Middleware::Pass& inner) const;
  void present(Presenting& presenting, const Middleware::Pass& inner) const;
  void hook(const HookContext& context, const Middleware::Pass& inner) const;

 private:
  std::vector<std::shared_ptr<Middleware>> middlewares_;
  std::vector<std::string> names_;
};

// The stacks of all classes of a world, made once.
//
// Threads: read from any thread.
class MiddlewareStacks {
 public:
  // kInvalid as above.
  static Result<MiddlewareStacks> make(const std::vector<MiddlewareUse>& of_world, const ActionRegistry& registry);

  // Null when nothing is around the phases of that class. Of an unknown class (null): the world's.
  const MiddlewareStack* of(const ActionClass* action_class) const {
    if (stacks_.empty()) return nullptr;
    const auto found = stacks_.find(action_class);
    return found == stacks_.end() ? nullptr : &found->second;
  }

 private:
  std::unordered_map<const ActionClass*, MiddlewareStack> stacks_;  // none is empty
};

}  // namespace dynflow::engine
