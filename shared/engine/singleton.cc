#include "shared/engine/singleton.h"

#include <algorithm>

#include "shared/engine/world.h"

namespace dynflow::engine {

namespace {

std::string lock_name(std::string_view action_class) { return "singleton-action:" + std::string(action_class); }

class SingletonMiddleware final : public Middleware {
 public:
  void plan(Planning& planning, Json&, const Pass& pass) override {
    lock(planning);
    pass();
  }
  void run(Running& running, const Event* event, const PassEvent& pass) override {
    lock(running);
    pass(event);
  }

 private:
  static void lock(PhaseContext& context) {
    const ActionClass* action_class = context.world().find_class(context.action_class());
    const std::string& name = action_class ? action_class->name : context.action_class();
    const Status locked = context.world().store().acquire_lock({lock_name(name), context.plan_id()});
    if (locked.ok()) return;
    if (locked.error().code() == Code::kConflict) throw ActionError("RuntimeError", "Action " + name + " is already active");
    throw ActionError("RuntimeError", "the lock of action " + name + " cannot be taken: " + locked.error().message());
  }
};

}  // namespace

std::shared_ptr<Middleware> make_singleton_middleware() {
  static const auto middleware = std::make_shared<SingletonMiddleware>();  // has no state
  return middleware;
}

void singleton_unlock(Running& running) {
  running.transaction().add(persistence::WriteBatch::ReleaseLocks{running.plan_id()});
}

Result<bool> is_singleton_locked(persistence::Store& store, std::string_view action_class) {
  const auto locks = store.load_locks();
  if (!locks.ok()) return locks.error();
  const std::string name = lock_name(action_class);
  return std::any_of(locks->begin(), locks->end(), [&](const persistence::LockRecord& lock) { return lock.name == name; });
}

}  // namespace dynflow::engine
