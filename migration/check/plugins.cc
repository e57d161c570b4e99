#include "migration/check/plugins.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "migration/site/services.h"
#include "migration/site/site.h"
#include "shared/base/executable.h"
#include "shared/core/plugin_path.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

namespace fs = std::filesystem;

constexpr std::array kProbeOptions = {Option{"for", OptionKind::kValue, "proxy|core", "Which process would load them; default: proxy"}};
constexpr std::array kLoadOptions = {Option{"FILE", OptionKind::kPositional, "", "The library", true}};
// One of these makes a library ours (shared/core/core.h, shared/plugin/plugin_api.h).
constexpr std::array kEntries = {"dynflow_core_v1", "dynflow_plugin_v1"};

Result<ExitCode> run_load(Context& context) {
  const std::string file = context.arguments.get("FILE");
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return Error(Code::kUnavailable, dlerror());
  for (const char* entry : kEntries) {
    if (dlsym(library, entry) == nullptr) continue;
    context.output.say(fmt::format("{}: {}", file, entry));
    return ExitCode::kFine;
  }
  return Error(Code::kUnprocessable, fmt::format("{} is neither the core nor a plugin of it", file));
}

std::vector<std::string> libraries(const Site& site, bool needs_core) {
  std::vector<std::string> files;
  std::error_code failure;
  if (needs_core && !site.core_library.empty()) files.push_back(site.core_library);
  // Executors lie beside the core library.
  const fs::path folder = fs::path(site.core_library).parent_path();
  for (const char* name : {"foreman_remote_execution_core.so", "foreman_ansible_core.so"}) {
    if (fs::exists(folder / name, failure)) files.push_back((folder / name).string());
  }
  for (const std::string& file : core::plugins_from_environment()) files.push_back(file);
  return files;
}

Result<ExitCode> run_probe(Context& context) {
  const Layout layout = Layout::of(context.options);
  if (!layout.is_live()) return Error(Code::kUnprocessable, "libraries below --root cannot be loaded here: run it inside");
  const Site site = read_site(layout, *services_of(layout));
  if (site.core_library.empty()) return Error(Code::kNotFound, "libdynflow_core.so.1 is not installed");
  const std::string self = executable_path().string();
  Json rows = Json::array();
  std::vector<std::string> seen;
  bool is_good = true;
  for (const std::string& file : libraries(site, context.arguments.get("for") != "core")) {
    const std::string name = fs::path(file).filename().string();
    std::string problem;
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      problem = "a second library of this name";
    } else if (const auto loaded = run_program({self, "plugins", "load", file}); !loaded) {
      problem = loaded.error().message();
    }
    seen.push_back(name);
    is_good = is_good && problem.empty();
    rows.push_back({{"file", file}, {"ok", problem.empty()}, {"problem", problem}});
    context.output.say(fmt::format("{} {}{}", problem.empty() ? "ok  " : "FAIL", file, problem.empty() ? "" : ": " + problem));
  }
  context.output.document()["libraries"] = std::move(rows);
  return is_good ? ExitCode::kFine : ExitCode::kError;
}

constexpr std::array kCommands = {
    Command{"plugins probe", "Load the core and each executor in a process of its own, and say what fails", kProbeOptions, run_probe},
    Command{"plugins load", "Load one library and end; what probe runs for each", kLoadOptions, run_load},
};

}  // namespace

std::span<const Command> plugin_commands() { return kCommands; }

}  // namespace dynflow::migration
