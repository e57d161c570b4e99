#include "shared/base/temporary_folder.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

namespace dynflow {

std::filesystem::path temporary_root() {
  const char* chosen = std::getenv("TMPDIR");
  return chosen == nullptr || *chosen == '\0' ? "/tmp" : chosen;
}

Result<TemporaryFolder> TemporaryFolder::make(std::string_view prefix) {
  std::string pattern = (temporary_root() / (std::string(prefix) + ".XXXXXX")).string();
  if (::mkdtemp(pattern.data()) == nullptr) return Error(Code::kUnavailable, pattern + ": " + std::strerror(errno));
  return TemporaryFolder(std::filesystem::path(pattern));
}

TemporaryFolder::TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;  // there is nothing to do about what cannot be removed
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace dynflow
