// Launchers turn the input of a launch request into execution plans; one a kind of operation.
//
// Threads: the registry is filled before requests come; launchers are called from any thread.
//
// Source: theforeman/smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/task_launcher/*.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/base/result.h"
#include "shared/engine/world.h"
#include "shared/json/json_fwd.h"

namespace dynflow::launcher {

// Who asked, and what the actions have to know about it.
struct LaunchContext {
  std::string callback_host;  // scheme://host[:port] under which hosts reach this proxy
  std::string request_id;
  std::string session_id;
  std::string operation;      // what the client asked for: "ssh"
};

class Launcher {
 public:
  virtual ~Launcher() = default;
  // The name in stored documents: "Proxy::Dynflow::TaskLauncher::Batch".
  virtual std::string_view class_name() const = 0;
  // Stores the plans and returns the answer for the client. Idempotent by plan id: the same id with the same input gives the same
  // answer and starts nothing. Secrets of the input never reach the store: see secrets.h. Errors: kInvalid (the input has not the
  // launcher's shape), kUnprocessable (unknown action class), kConflict (a plan of that id exists and came from another input),
  // kBusy, kClosed, and the store's. Nothing is stored then. Blocks until the plans are durable.
  virtual Result<Json> launch(engine::World& world, const Json& input, const Json& options,
                              const LaunchContext& context) = 0;
};

// Operations by name, in the order of registration.
class LauncherRegistry {
 public:
  // kConflict when the operation exists.
  Status add(std::string operation, std::shared_ptr<Launcher> launcher);
  Launcher* find(std::string_view operation) const;
  std::vector<std::string> operations() const;

 private:
  std::vector<std::pair<std::string, std::shared_ptr<Launcher>>> launchers_;
};

// One plan of input {"action_class","action_input"}; answer {"result":"success","task_id":...}.
std::shared_ptr<Launcher> make_single_launcher();
// Input {"<plan id>": {"action_class","action_input"}, ...}; answer per id, and "parent". `action_class_override` replaces the class
// of every entry; empty = none. Needs the actions of batch_action.h. For one runner behind a whole batch see group.h.
std::shared_ptr<Launcher> make_batch_launcher(std::string action_class_override = {});

// What the single launcher does, for callers with an answer of their own: plans one {"action_class","action_input"}. A plan phase
// that failed is in the result, not an error.
Result<engine::Planned> launch_one(engine::World& world, const Json& entry, const LaunchContext& context);

}  // namespace dynflow::launcher
