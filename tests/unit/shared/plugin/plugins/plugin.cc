// A plugin for the loader's tests; which one, says PLUGIN_KIND.
#include <string_view>

#include "shared/plugin/build_id.h"
#include "shared/plugin/context.h"
#include "shared/plugin/plugin_api.h"

namespace {

constexpr dynflow_text text(std::string_view t) { return {t.data(), t.size()}; }

const dynflow_host_api* g_host = nullptr;

// Answers with what it got from the host: a launcher under the name of its settings.
int init(const dynflow_host_api* host, dynflow_text* error) {
  g_host = host;
  if (host->abi != DYNFLOW_PLUGIN_ABI || host->size < sizeof(dynflow_host_api)) return 1;
  if constexpr (PLUGIN_KIND == 'f') {
    static_cast<dynflow::plugin::Context*>(host->cxx)->features.push_back({"announced too early", "", {}});
    *error = text("no key file");
    return 1;
  }
  host->log(host->handle, 0, text("loading"));
  const dynflow_text settings = host->settings(host->handle, text("test_plugin"));
  if (settings.data == nullptr) {
    *error = text("no settings");
    return 1;
  }
  auto& context = *static_cast<dynflow::plugin::Context*>(host->cxx);
  context.features.push_back({"test", "1.0", {std::string(settings.data, settings.size)}});
  return 0;
}

void stop() {
  static_cast<dynflow::plugin::Context*>(g_host->cxx)->features.push_back({"stopped", "", {}});
}

constexpr dynflow_plugin_api kApi = {
    PLUGIN_KIND == 'a' ? DYNFLOW_PLUGIN_ABI + 6 : DYNFLOW_PLUGIN_ABI,
    PLUGIN_KIND == 's' ? 16 : sizeof(dynflow_plugin_api),
    text("test_plugin"),
    text("1.2.3"),
    PLUGIN_KIND == 'b' ? text("another build") : text(dynflow::plugin::kBuildId),
    &init,
    &stop,
};

}  // namespace

#if PLUGIN_KIND != 'e'
extern "C" __attribute__((visibility("default"))) const dynflow_plugin_api* dynflow_plugin_v1() { return &kApi; }
#else
extern "C" __attribute__((visibility("default"))) const dynflow_plugin_api* some_other_entry() { return &kApi; }
#endif
