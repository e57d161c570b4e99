#include "shared/base/executable.h"

#include <system_error>

namespace dynflow {

std::filesystem::path executable_path() {
  std::error_code failed;
  std::filesystem::path path = std::filesystem::read_symlink("/proc/self/exe", failed);
  return failed ? std::filesystem::path() : path;
}

}  // namespace dynflow
