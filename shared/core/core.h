// The core behind one face: settings in, request handler out. The proxy's dynflow plugin finds it at run time through
// `dynflow_core_v1` in libdynflow_core.so; the standalone service links it.
//
// Threads: start and stop from the program's main thread; the handler from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shared/base/deadline.h"
#include "shared/base/result.h"
#include "shared/http/message.h"
#include "shared/settings/runner_limits.h"

namespace dynflow::core {

// How the core reaches Foreman for callbacks.
struct ForemanOptions {
  std::string url;       // empty: callbacks cannot be delivered and wait
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
};

struct CoreOptions {
  std::string database;               // file or postgresql://...; empty = memory; DYNFLOW_DB_CONN_STRING comes first, see database_choice.h
  std::string secrets_key_file;       // see net/sealer.h; empty: secrets are in memory only
  bool console_auth = true;
  std::chrono::seconds cleaner_age{1800};
  std::string backup_folder;          // where the cleaner keeps what it removes; empty = nowhere
  settings::RunnerLimits runner_limits;
  ForemanOptions foreman;
  std::vector<std::filesystem::path> settings_directories;  // settings.d folders with <plugin>.yml; keys of later ones win
  std::filesystem::path plugin_directory;                    // executor plugins to load
  std::vector<std::string> plugins;                          // file names in it, "foreman_remote_execution_core.so"; absent = skipped with a log line
  std::string log_level = "INFO";                            // of the hosting process: some plugin settings depend on it
};

struct FeatureInfo {
  std::string name;
  std::string version;
  std::vector<std::string> capabilities;
};

// A plugin that is there and could not be used: its features are not in Core::features().
struct FailedPlugin {
  std::string file;    // "foreman_remote_execution_core.so"
  std::string reason;  // one line
};

// Says whether the client of this request may do what it asks; the host's rules (trusted hosts, client certificate). Nothing =
// allowed; else the refusal to send.
using Authorize = std::function<std::unique_ptr<http::Response>(const http::Request&)>;

class Core {
 public:
  virtual ~Core() = default;
  // Opens the store, loads plugins, starts the world. An Error's text is one line with file and line where it is about a setting.
  virtual Status start() = 0;
  // Lets running steps end until the deadline. Harmless twice.
  virtual void stop(Deadline deadline) = 0;

  // Answers a request. `path` is the part of its target below the mount point, still percent-encoded: "/tasks/launch". `authorize`
  // is asked where the route needs it: for all but update and done with a token. 503 before start and after stop.
  // GET of "/metrics" is what the core tells of itself, as Prometheus reads it.
  virtual http::Response handle(http::Request& request, std::string_view path, const Authorize& authorize) = 0;

  virtual std::vector<std::string> operations() const = 0;
  virtual std::vector<FeatureInfo> features() const = 0;
  // Since start().
  virtual std::vector<FailedPlugin> failed_plugins() const = 0;
};

std::unique_ptr<Core> make_core(CoreOptions options);

// The face's version: proxy and core must agree exactly.
inline constexpr std::uint32_t kFaceVersion = 4;

}  // namespace dynflow::core

// Found with dlsym by the proxy's dynflow plugin. Null when `face_version` is not the library's.
extern "C" dynflow::core::Core* dynflow_core_v1(std::uint32_t face_version, const dynflow::core::CoreOptions* options);
