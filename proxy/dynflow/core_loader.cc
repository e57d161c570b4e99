#include "proxy/dynflow/core_loader.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <vector>

#include "shared/base/executable.h"

namespace dynflow::proxy {
namespace {

// The name with the version of its binary interface: the one without belongs to development packages.
constexpr const char* kLibrary = "libdynflow_core.so.1";
constexpr const char* kFactory = "dynflow_core_v1";

std::vector<std::string> candidates(const std::filesystem::path& executable_folder) {
  if (const char* chosen = std::getenv("DYNFLOW_CORE_LIBRARY")) return {chosen};
  std::vector<std::string> paths;
  const std::filesystem::path beside = executable_folder.parent_path() / "lib" / kLibrary;
  std::error_code ignored;
  // Only when it is there: the linker's complaint about the system path is the one that helps then.
  if (std::filesystem::exists(beside, ignored)) paths.push_back(beside.string());
  paths.emplace_back(kLibrary);
  return paths;
}

std::string linker_error() {
  const char* text = dlerror();
  return text != nullptr ? text : "unknown error of the linker";
}

}  // namespace

Result<CoreLibrary> CoreLibrary::load(const std::filesystem::path& executable_folder) {
  std::string problem;
  for (const std::string& path : candidates(executable_folder)) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
    if (library == nullptr) {
      problem = linker_error();
      continue;
    }
    void* symbol = dlsym(library, kFactory);
    if (symbol == nullptr) {
      problem = fmt::format("{} is no Dynflow core: {}", path, linker_error());
      continue;
    }
    Dl_info info{};
    const bool is_known = dladdr(symbol, &info) != 0 && info.dli_fname != nullptr;
    return CoreLibrary(is_known ? info.dli_fname : path, reinterpret_cast<Factory>(symbol));
  }
  return Error(Code::kUnavailable, problem);
}

Result<std::unique_ptr<core::Core>> CoreLibrary::make(const core::CoreOptions& options) const {
  std::unique_ptr<core::Core> core(factory_(core::kFaceVersion, &options));
  if (!core) {
    return Error(Code::kUnavailable, fmt::format("{} does not offer version {} of the core's interface", path_.string(),
                                                 core::kFaceVersion));
  }
  return core;
}

std::filesystem::path executable_folder() {
  const auto path = dynflow::executable_path();
  return path.empty() ? std::filesystem::path("/usr/bin") : path.parent_path();
}

}  // namespace dynflow::proxy
