// Where the files of a site are, and how its paths map to a tree below --root.
//
// Threads: values.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "migration/command.h"

namespace dynflow::migration {

inline constexpr std::string_view kProxyUnit = "foreman-proxy";
inline constexpr std::string_view kSidecarUnit = "smart_proxy_dynflow_core";
// What a settings file was before this program changed it, beside it.
inline constexpr std::string_view kBackupSuffix = ".dynflow-migrate.bak";

struct Layout {
  std::filesystem::path root = "/";
  std::string proxy_config = "/etc/foreman-proxy";             // as the site names it
  std::string sidecar_config = "/etc/smart_proxy_dynflow_core";

  static Layout of(const GlobalOptions& options);
  // The site's "/etc/x" as a path of this machine.
  std::filesystem::path real(std::string_view path) const;
  bool is_live() const { return root == "/"; }
  // Has programs and not only settings: what is missing in such a tree is not installed.
  bool has_programs() const;
};

}  // namespace dynflow::migration
