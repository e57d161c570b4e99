#include "shared/engine/middleware.h"

#include <algorithm>
#include <map>
#include <utility>

#include "shared/engine/registry.h"
#include "shared/engine/singleton.h"

namespace dynflow::engine {

namespace {

// The list with later rules for a name added to earlier ones.
void merge(std::vector<MiddlewareUse>& list, const MiddlewareUse& use) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const MiddlewareUse& known) { return known.name == use.name; });
  if (found == list.end()) {
    list.push_back(use);
    return;
  }
  found->middleware = use.middleware;
  found->before.insert(found->before.end(), use.before.begin(), use.before.end());
  found->after.insert(found->after.end(), use.after.begin(), use.after.end());
  found->replace.insert(found->replace.end(), use.replace.begin(), use.replace.end());
}

// Depth first, in the order of registration: what a middleware must come after is put before it.
class Sorting {
 public:
  explicit Sorting(const std::vector<MiddlewareUse>& uses) : uses_(uses), outer_(uses.size()), marks_(uses.size(), Mark::kNew) {
    for (std::size_t i = 0; i < uses.size(); ++i) index_[uses[i].name] = i;
    std::vector<std::size_t> stands_for(uses.size());
    for (std::size_t i = 0; i < uses.size(); ++i) stands_for[i] = i;
    for (std::size_t i = 0; i < uses.size(); ++i) {
      for (const std::string& replaced : uses[i].replace) {
        const auto found = index_.find(replaced);
        if (found == index_.end() || found->second == i) continue;
        stands_for[found->second] = i;
        marks_[found->second] = Mark::kReplaced;
      }
    }
    const auto place_of = [&](std::size_t i) {
      for (std::size_t hops = 0; stands_for[i] != i; ++hops) {
        if (hops == uses.size()) {
          has_circle_of_replacements_ = true;
          break;
        }
        i = stands_for[i];
      }
      return i;
    };
    const auto require = [&](std::size_t inner, std::size_t outer) {
      if (place_of(inner) != place_of(outer)) outer_[place_of(inner)].push_back(place_of(outer));
    };
    for (std::size_t i = 0; i < uses.size(); ++i) {
      (void)place_of(i);
      for (const std::string& name : uses[i].after) {
        if (const auto found = index_.find(name); found != index_.end()) require(i, found->second);
      }
      for (const std::string& name : uses[i].before) {
        if (const auto found = index_.find(name); found != index_.end()) require(found->second, i);
      }
    }
  }

  // False: the rules form a circle.
  bool sort() {
    if (has_circle_of_replacements_) return false;
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      if (!visit(i)) return false;
    }
    return true;
  }
  const std::vector<std::size_t>& order() const { return order_; }

 private:
  enum class Mark { kNew, kOpen, kDone, kReplaced };

  bool visit(std::size_t i) {
    if (marks_[i] == Mark::kDone || marks_[i] == Mark::kReplaced) return true;
    if (marks_[i] == Mark::kOpen) return false;
    marks_[i] = Mark::kOpen;
    for (const std::size_t outer : outer_[i]) {
      if (!visit(outer)) return false;
    }
    marks_[i] = Mark::kDone;
    order_.push_back(i);
    return true;
  }

  const std::vector<MiddlewareUse>& uses_;
  std::map<std::string, std::size_t> index_;
  std::vector<std::vector<std::size_t>> outer_;
  std::vector<Mark> marks_;
  bool has_circle_of_replacements_ = false;
  std::vector<std::size_t> order_;
};

using List = std::vector<std::shared_ptr<Middleware>>;

template <class Call>
void descend(const List& list, std::size_t at, const Call& call, const Middleware::Pass& inner) {
  if (at == list.size()) return inner();
  call(*list[at], [&] { descend(list, at + 1, call, inner); });
}

void descend_run(const List& list, std::size_t at, Running& running, const Event* event, const Middleware::PassEvent& inner) {
  if (at == list.size()) return inner(event);
  list[at]->run(running, event, [&](const Event* passed) { descend_run(list, at + 1, running, passed, inner); });
}

}  // namespace

void Middleware::delay(Delaying&, const Pass& pass) { pass(); }
void Middleware::plan(Planning&, Json&, const Pass& pass) { pass(); }
void Middleware::plan_phase(const WholePlan&, const Pass& pass) { pass(); }
void Middleware::run(Running&, const Event* event, const PassEvent& pass) { pass(event); }
void Middleware::finalize(Finalizing&, const Pass& pass) { pass(); }
void Middleware::finalize_phase(const WholePlan&, const Pass& pass) { pass(); }
void Middleware::present(Presenting&, const Pass& pass) { pass(); }
void Middleware::hook(const HookContext&, const Pass& pass) { pass(); }

Result<MiddlewareStack> MiddlewareStack::resolve(const std::vector<MiddlewareUse>& of_world,
                                                 const std::vector<const ActionClass*>& lineage) {
  std::vector<MiddlewareUse> uses;
  for (const MiddlewareUse& use : of_world) merge(uses, use);
  for (auto ancestor = lineage.rbegin(); ancestor != lineage.rend(); ++ancestor) {
    for (const std::string& name : (*ancestor)->unused_middleware) {
      uses.erase(std::remove_if(uses.begin(), uses.end(), [&](const MiddlewareUse& use) { return use.name == name; }), uses.end());
    }
    if ((*ancestor)->is_singleton) {
      merge(uses, {std::string(kSingletonMiddleware), make_singleton_middleware(), {}, {}, {}});
    }
    for (const MiddlewareUse& use : (*ancestor)->middleware) merge(uses, use);
  }
  MiddlewareStack stack;
  if (uses.empty()) return stack;
  Sorting sorting(uses);
  if (!sorting.sort()) {
    return Error(Code::kInvalid, "the rules for the order of middleware form a circle" +
                                     (lineage.empty() ? std::string() : " for action class '" + lineage.front()->name + "'"));
  }
  for (const std::size_t i : sorting.order()) {
    stack.middlewares_.push_back(uses[i].middleware);
    stack.names_.push_back(uses[i].name);
  }
  return stack;
}

void MiddlewareStack::delay(Delaying& delaying, const Middleware::Pass& inner) const {
  descend(middlewares_, 0, [&](Middleware& m, const Middleware::Pass& pass) { m.delay(delaying, pass); }, inner);
}

void MiddlewareStack::plan(Planning& planning, Json& args, const Middleware::Pass& inner) const {
  descend(middlewares_, 0, [&](Middleware& m, const Middleware::Pass& pass) { m.plan(planning, args, pass); }, inner);
}

void MiddlewareStack::plan_phase(const WholePlan& plan, const Middleware::Pass& inner) const {
  descend(middlewares_, 0, [&](Middleware& m, const Middleware::Pass& pass) { m.plan_phase(plan, pass); }, inner);
}

void MiddlewareStack::run(Running& running, const Event* event, const Middleware::PassEvent& inner) const {
  descend_run(middlewares_, 0, running, event, inner);
}

void MiddlewareStack::finalize(Finalizing& finalizing, const Middleware::Pass& inner) const {
  descend(middlewares_, 0, [&](Middleware& m, const Middleware::Pass& pass) { m.finalize(finalizing, pass); }, inner);
}

void MiddlewareStack::finalize_phase(const WholePlan& plan, const Middleware::Pass& inner) const {
  descend(middlewares_, 0, [&](Middleware& m, const Middleware::Pass& pass) { m.finalize_phase(plan, pass); }, inner);
}

void MiddlewareStack::present(Presenting& presenting, const Middleware::Pass& inner) const {
  descend(middlewares_, 0, [&](Middleware& m, const Middleware::Pass& pass) { m.present(presenting, pass); }, inner);
}

void MiddlewareStack::hook(const HookContext& context, const Middleware::Pass& inner) const {
  descend(middlewares_, 0, [&](Middleware& m, const Middleware::Pass& pass) { m.hook(context, pass); }, inner);
}

Result<MiddlewareStacks> MiddlewareStacks::make(const std::vector<MiddlewareUse>& of_world, const ActionRegistry& registry) {
  MiddlewareStacks made;
  const auto add = [&](const ActionClass* action_class, const std::vector<const ActionClass*>& lineage) -> Status {
    auto stack = MiddlewareStack::resolve(of_world, lineage);
    if (!stack.ok()) return stack.error();
    if (!stack->is_empty()) made.stacks_.emplace(action_class, std::move(*stack));
    return {};
  };
  if (auto added = add(nullptr, {}); !added.ok()) return added.error();
  for (const auto& action_class : registry.classes()) {
    if (auto added = add(action_class.get(), registry.lineage(*action_class)); !added.ok()) return added.error();
  }
  return made;
}

}  // namespace dynflow::engine
