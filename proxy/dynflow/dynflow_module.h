// The `dynflow` plugin of the proxy: jobs, in this process or in a core service (DESIGN section 8).
//
// Threads: as Module.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "proxy/dynflow/backend.h"
#include "proxy/dynflow/core_loader.h"
#include "proxy/dynflow/mode.h"
#include "proxy/dynflow/mode_control.h"
#include "proxy/dynflow/mode_routes.h"
#include "proxy/dynflow/relay.h"
#include "proxy/dynflow/task_routes.h"
#include "proxy/host/authorization.h"
#include "proxy/host/module.h"
#include "shared/core/core.h"
#include "shared/settings/module.h"

namespace dynflow::proxy {

// A plugin of upstream that stands on this one: an executor and the features that it brings.
struct ExecutorSwitch {
  std::string settings;               // "remote_execution_ssh": its file in settings.d
  std::string library;                // "foreman_remote_execution_core.so"
  std::vector<std::string> features;  // announced names: "script", "ssh"
  std::string version;                // of the Ruby plugin whose behaviour it has; the same in every mode
  settings::Enabled enabled;
  std::optional<std::string> failure = std::nullopt;  // what its settings lack
};

struct DynflowOptions {
  settings::Enabled enabled;
  std::optional<std::string> failure;   // what the settings lack: the module does not start
  ExternalCore external_core = ExternalCore::kUnset;
  RelayOptions relay;
  core::CoreOptions core;               // `plugins` is filled from the executors
  struct Sides {
    core::CoreOptions core;
    RelayOptions relay;
  };
  // The same two as the settings say it by now, for a side that is made while the module runs; null: those above count. From any thread.
  std::function<Result<Sides>()> sides_now;
  std::vector<ExecutorSwitch> executors;
  std::filesystem::path executable_folder;
  HandOverPolicy hand_over;
  std::filesystem::path mode_file;      // where the mode is remembered; empty: nowhere
  std::function<void()> ask_reload;     // has the program read its settings again, soon
};

class DynflowModule final : public Module {
 public:
  DynflowModule(DynflowOptions options, std::shared_ptr<const Authorization> authorization);
  ~DynflowModule() override;

  std::string_view mount() const override;
  Status start() override;
  void stop(Deadline deadline) override;
  std::vector<Feature> features() const override;
  bool serves(bool is_tls) const override;
  http::Response handle(http::Request& request) override;
  void interrupt() override;
  std::string metrics() override;

  // Takes over what may change while the module runs: the rules of hand-overs, and `external_core`, whose new value begins a
  // hand-over. What cannot be done is logged, and tried again at the next call. From the main thread.
  void reload(const DynflowOptions& fresh);

 private:
  struct Start {
    ModeState state;
    std::optional<SavedMode> saved;  // when the state is that of before
    std::string reason;
    std::optional<Drain> drain = std::nullopt;
  };
  // Where to begin: as the settings say, or where we were when they say what they said then.
  Result<Start> decide_start();
  Status start_control();
  using Library = std::shared_ptr<const Result<CoreLibrary>>;  // owners: this and who works with it
  // Looked for when it is needed first, and again as long as it could not be loaded.
  Library library();
  Result<std::shared_ptr<Backend>> make_own();
  Result<std::shared_ptr<Backend>> make_other();
  // `own`: the core in this process when it takes the launches; null: only the other side knows its features.
  Feature feature_row(const ExecutorSwitch& executor, const std::string& name, const Backend* own) const;

  DynflowOptions options_;
  std::shared_ptr<const Authorization> authorization_;  // owners: the host and its modules
  ModuleState state_ = ModuleState::kUninitialized;
  std::mutex mutex_;  // of library_
  Library library_;
  std::unique_ptr<ModeControl> control_;        // null unless running, as what follows
  std::unique_ptr<TaskRoutes> tasks_;
  std::unique_ptr<ModeRoutes> mode_;
};

}  // namespace dynflow::proxy
