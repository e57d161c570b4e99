// The documents that tell Foreman what this proxy can do: /features, /v2/features and /version
// (smart-proxy 3.11, modules/root/root_api.rb and root_v2_api.rb).
//
// Threads: values and pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dynflow::proxy {

enum class ModuleState {
  kUninitialized,  // registered, its settings were not read yet
  kDisabled,       // its settings do not switch it on; final
  kStarting,       // its services are being started
  kRunning,        // it serves requests
  kFailed,         // it could not start; the reason is in the log and in /logs
};
std::string_view to_string(ModuleState state);

// One row of the documents, in the order of registration.
struct Feature {
  std::string name;
  std::string version;
  bool is_on_http = false;
  bool is_on_https = false;
  ModuleState state = ModuleState::kUninitialized;
  std::vector<std::string> capabilities;  // any order, duplicates allowed: the document sorts them
  bool was_not_started = false;           // it is kFailed without a try: what it stands on or a setting is missing
  std::string failure;                    // why it is kFailed, one line; empty: for the reason of its module
};

// Sorted names of what runs: ["dynflow","logs","script","ssh"].
std::string features_document(const std::vector<Feature>& features);
// Everything registered, whatever its state, in the order of registration.
std::string features_v2_document(const std::vector<Feature>& features);
// {"version":"3.11.0","modules":{...}} with what runs.
std::string version_document(const std::vector<Feature>& features, std::string_view host_version);

}  // namespace dynflow::proxy
