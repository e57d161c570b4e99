#include "migration/site/executors.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "shared/settings/module.h"
#include "shared/settings/remote_execution_ssh.h"

namespace dynflow::migration {

namespace fs = std::filesystem;

namespace {

struct Row {
  std::string_view operation;
  std::string_view library;
  const settings::Table& (*table)();
};
constexpr std::array kRows = {Row{"ssh", "foreman_remote_execution_core.so", settings::remote_execution_ssh_table},
                              Row{"ansible-runner", "foreman_ansible_core.so", settings::ansible_table}};

// As the proxy looks for it: beside the core, and where its unit's environment says.
bool is_installed(const Site& site, std::string_view library) {
  std::vector<fs::path> folders = {site.layout.real(site.core_library).parent_path()};
  const auto unit = site.environment.find(kProxyUnit);
  if (unit != site.environment.end()) {
    const auto found = unit->second.find("DYNFLOW_PLUGIN_PATH");
    std::string_view rest = found != unit->second.end() ? std::string_view(found->second) : std::string_view();
    while (!rest.empty()) {
      const auto colon = rest.find(':');
      folders.push_back(site.layout.real(rest.substr(0, colon)));
      rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
    }
  }
  std::error_code ignored;
  return std::any_of(folders.begin(), folders.end(), [&](const fs::path& folder) { return fs::exists(folder / library, ignored); });
}

}  // namespace

std::vector<LostExecutor> lost_executors(const Site& site, const std::vector<std::string>& operations) {
  std::vector<LostExecutor> lost;
  if (site.core != Loadable::kYes || site.core_library.find("libdynflow_core.so") == std::string::npos) return lost;
  const std::string folder = fs::path(site.dynflow_file).parent_path().string();
  for (const Row& row : kRows) {
    if (std::find(operations.begin(), operations.end(), row.operation) == operations.end() || is_installed(site, row.library)) continue;
    const auto module = settings::load_module(row.table(), site.layout.real(folder).string());
    if (module.ok() && !module->enabled.is_on()) continue;
    lost.push_back({std::string(row.operation), std::string(row.library), folder + "/" + std::string(row.table().file)});
  }
  return lost;
}

}  // namespace dynflow::migration
