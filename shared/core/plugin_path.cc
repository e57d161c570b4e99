#include "shared/core/plugin_path.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace dynflow::core {

std::vector<std::string> plugins_from_environment() {
  std::vector<std::string> all;
  const char* variable = std::getenv("DYNFLOW_PLUGIN_PATH");
  std::string_view rest = variable != nullptr ? variable : "";
  while (!rest.empty()) {
    const auto colon = rest.find(':');
    const std::filesystem::path folder(rest.substr(0, colon));
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
    std::vector<std::string> found;
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(folder, failed)) {
      if (entry.path().extension() == ".so") found.push_back(std::filesystem::absolute(entry.path(), failed).string());
    }
    std::sort(found.begin(), found.end());
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

}  // namespace dynflow::core
