// Singleton actions: of one class at most one plan is in work. A plan takes the lock of the class when it is planned, and again before
// a run when it has lost it; it gives it back when it pauses or stops, or earlier by singleton_unlock(). A class becomes one by
// ActionClass::is_singleton.
//
// Threads: may be called from any thread. What asks the store blocks on it: in the plan phase and before runs of such actions.
//
// Source: Dynflow 2.0.0, lib/dynflow/action/singleton.rb, middleware/common/singleton.rb.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "shared/engine/middleware.h"
#include "shared/persistence/store.h"

namespace dynflow::engine {

inline constexpr std::string_view kSingletonMiddleware = "Dynflow::Middleware::Common::Singleton";

// The middleware that takes the lock. "Action X is already active" is what a second plan fails with.
std::shared_ptr<Middleware> make_singleton_middleware();

// Gives back the lock with the result of this run; what another plan holds stays.
void singleton_unlock(Running& running);

// Some plan holds the lock of this class. Errors: the store's.
Result<bool> is_singleton_locked(persistence::Store& store, std::string_view action_class);

}  // namespace dynflow::engine
