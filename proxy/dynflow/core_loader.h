// Finds libdynflow_core.so.1 at run time: it ships in a package of its own, so that a proxy without it still relays.
//
// Threads: load() from the main thread; a loaded library may be used from any thread. It is never unloaded: threads
// and class tables of it live as long as the process.
#pragma once

#include <filesystem>
#include <memory>

#include "shared/base/result.h"
#include "shared/core/core.h"

namespace dynflow::proxy {

class CoreLibrary {
 public:
  // Looks in `executable_folder`/../lib, then where the system's linker looks. DYNFLOW_CORE_LIBRARY in the environment
  // names the one file to take instead. Errors: kUnavailable with the linker's words.
  static Result<CoreLibrary> load(const std::filesystem::path& executable_folder);

  // Errors: kUnavailable when the library was made for another version of the face.
  Result<std::unique_ptr<core::Core>> make(const core::CoreOptions& options) const;

  // The file that the linker took. Executor plugins stand beside it.
  const std::filesystem::path& path() const { return path_; }

 private:
  using Factory = decltype(&dynflow_core_v1);
  CoreLibrary(std::filesystem::path path, Factory factory) : path_(std::move(path)), factory_(factory) {}
  std::filesystem::path path_;
  Factory factory_;
};

// The folder of the running program.
std::filesystem::path executable_folder();

}  // namespace dynflow::proxy
