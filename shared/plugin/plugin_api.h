/* The C interface between the core and its plugins. A plugin exports one symbol:
 *
 *     const struct dynflow_plugin_api* dynflow_plugin_v1(void);
 *
 * Structs begin with `abi` and `size`; new fields come only at the end and are used only when `size` covers them. Text is pointer and
 * length, never owned by the receiver. No exception crosses. A plugin is never unloaded.
 *
 * Threads: entry points are called one after another, before the first request.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DYNFLOW_PLUGIN_ABI 1u

struct dynflow_text {
  const char* data;
  size_t size;
};

/* What the core offers. Valid as long as the process lives. */
struct dynflow_host_api {
  uint32_t abi;
  uint32_t size;
  void* handle; /* first argument of every function below */
  /* level: 0 debug, 1 info, 2 warn, 3 error */
  void (*log)(void* handle, int level, struct dynflow_text message);
  /* The text of settings.d/<name>.yml as loaded, as JSON; "{}" when there is none, a null pointer when it
   * cannot be read (the host has logged why). Valid until the next call. */
  struct dynflow_text (*settings)(void* handle, struct dynflow_text name);
  /* Identity of the build. A plugin built with the same one may use `cxx`. */
  struct dynflow_text build_id;
  /* dynflow::plugin::Context*, for plugins of the same build; see shared/plugin/context.h. */
  void* cxx;
};

struct dynflow_plugin_api {
  uint32_t abi;
  uint32_t size;
  struct dynflow_text name;    /* "foreman_remote_execution_core" */
  struct dynflow_text version; /* "0.1.0" */
  /* Build the plugin was made with, when it needs `cxx`; empty when it needs only this header. */
  struct dynflow_text build_id;
  /* Registers operations and actions. 0 = done. Otherwise `*error` says why; it must stay valid. */
  int (*init)(const struct dynflow_host_api* host, struct dynflow_text* error);
  /* Ends threads. Called once at the end, after the last action ran. May be null. */
  void (*stop)(void);
};

#ifdef __cplusplus
}
#endif
