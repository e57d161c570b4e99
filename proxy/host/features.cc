#include "proxy/host/features.h"

#include <algorithm>

#include "shared/json/json.h"

namespace dynflow::proxy {

std::string_view to_string(ModuleState state) {
  switch (state) {
    case ModuleState::kUninitialized: return "uninitialized";
    case ModuleState::kDisabled: return "disabled";
    case ModuleState::kStarting: return "starting";
    case ModuleState::kRunning: return "running";
    case ModuleState::kFailed: return "failed";
  }
  return "failed";
}

std::string features_document(const std::vector<Feature>& features) {
  std::vector<std::string> names;
  for (const Feature& feature : features) {
    if (feature.state == ModuleState::kRunning) names.push_back(feature.name);
  }
  std::sort(names.begin(), names.end());
  return json::dump(Json(names));
}

std::string features_v2_document(const std::vector<Feature>& features) {
  Json document = Json::object();
  for (const Feature& feature : features) {
    // Capabilities count only while the module runs, as upstream calls their procs only then.
    std::vector<std::string> capabilities;
    if (feature.state == ModuleState::kRunning) capabilities = feature.capabilities;
    std::sort(capabilities.begin(), capabilities.end());
    capabilities.erase(std::unique(capabilities.begin(), capabilities.end()), capabilities.end());

    Json row = Json::object();
    // No listener serves what failed (smart-proxy 3.11, lib/proxy/plugin_initializer.rb:89-93).
    row["http_enabled"] = feature.is_on_http && feature.state != ModuleState::kFailed;
    row["https_enabled"] = feature.is_on_https && feature.state != ModuleState::kFailed;
    row["settings"] = Json::object();
    row["state"] = std::string(to_string(feature.state));
    row["capabilities"] = std::move(capabilities);
    document[feature.name] = std::move(row);
  }
  return json::dump(document);
}

std::string version_document(const std::vector<Feature>& features, std::string_view host_version) {
  Json modules = Json::object();
  for (const Feature& feature : features) {
    if (feature.state == ModuleState::kRunning) modules[feature.name] = feature.version;
  }
  Json document = Json::object();
  document["version"] = std::string(host_version);
  document["modules"] = std::move(modules);
  return json::dump(document);
}

}  // namespace dynflow::proxy
