// Loads plugins and keeps them for the life of the process.
//
// Threads: one thread; no plugin calls back later than from its init().
//
// Why they are never unloaded: threads, thread_local destructors and OpenSSL's exit handlers make that a trap.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/plugin/context.h"
#include "shared/plugin/plugin_api.h"

namespace dynflow::plugin {

struct LoadedPlugin {
  std::string name;
  std::string version;
};

class Plugins {
 public:
  // `context` and what it refers to outlive the object, and the object outlives all use of what plugins registered.
  explicit Plugins(Context& context);
  ~Plugins();
  Plugins(const Plugins&) = delete;
  Plugins& operator=(const Plugins&) = delete;

  // Loads one library and runs its init(). Errors, each with the file's name: kNotFound (no such file), kUnavailable (the linker's text,
  // no plugin, another abi or build; both numbers are in the text), kFailed (init's own text). Of what a failed init()
  // registered, features are taken back; actions and launchers stay. A library that is loaded already is not initialised again.
  Result<LoadedPlugin> load(const std::filesystem::path& file);
  // Ends the plugins' threads, the last loaded first. Harmless twice.
  void stop();

  const std::vector<LoadedPlugin>& loaded() const { return loaded_; }

 private:
  class Host;

  std::unique_ptr<Host> host_;
  std::vector<LoadedPlugin> loaded_;
  std::vector<const dynflow_plugin_api*> tables_;  // of loaded_, in the same order
  std::vector<void (*)()> stops_;
};

}  // namespace dynflow::plugin
