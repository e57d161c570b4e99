#include "migration/site/layout.h"

namespace dynflow::migration {

namespace fs = std::filesystem;

Layout Layout::of(const GlobalOptions& options) {
  Layout layout;
  std::error_code ignored;
  layout.root = fs::weakly_canonical(options.root, ignored);
  if (layout.root.empty()) layout.root = options.root;
  if (!options.config_dir.empty()) layout.proxy_config = options.config_dir;
  if (!options.core_config_dir.empty()) layout.sidecar_config = options.core_config_dir;
  return layout;
}

fs::path Layout::real(std::string_view path) const {
  const fs::path wanted(path);
  return is_live() ? wanted : root / wanted.relative_path();
}

bool Layout::has_programs() const {
  std::error_code ignored;
  return is_live() || fs::is_directory(root / "usr", ignored);
}

}  // namespace dynflow::migration
