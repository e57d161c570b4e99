// The entry point of a plugin that uses the core's C++ classes, in one line:
//
//   dynflow::Status register_all(dynflow::plugin::Context& context);
//   DYNFLOW_DEFINE_PLUGIN("example", "1.0.0", register_all)
//
// At global scope, once. The function is called by the loading thread before the first request; an error, or what it throws, becomes the
// reason why the plugin is not loaded.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "shared/plugin/build_id.h"
#include "shared/plugin/context.h"
#include "shared/plugin/plugin_api.h"

namespace dynflow::plugin {

template <Status (*Register)(Context&)>
int init_plugin(const dynflow_host_api* host, dynflow_text* error) noexcept {
  static std::string why;  // the receiver reads it after we returned
  try {
    const Status done = Register(*static_cast<Context*>(host->cxx));
    if (done.ok()) return 0;
    why = done.error().message();
  } catch (const std::exception& e) {
    why = e.what();
  } catch (...) {
    why = "something that is no exception was thrown";
  }
  *error = {why.data(), why.size()};
  return 1;
}

constexpr dynflow_text to_text(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace dynflow::plugin

#define DYNFLOW_DEFINE_PLUGIN(NAME, VERSION, REGISTER)                                                                  \
  extern "C" __attribute__((visibility("default"))) const dynflow_plugin_api* dynflow_plugin_v1() {                     \
    static constexpr dynflow_plugin_api kApi = {DYNFLOW_PLUGIN_ABI,                                                     \
                                                sizeof(dynflow_plugin_api),                                             \
                                                dynflow::plugin::to_text(NAME),                                         \
                                                dynflow::plugin::to_text(VERSION),                                      \
                                                dynflow::plugin::to_text(dynflow::plugin::kBuildId),                    \
                                                &dynflow::plugin::init_plugin<&REGISTER>,                               \
                                                nullptr};                                                               \
    return &kApi;                                                                                                       \
  }
