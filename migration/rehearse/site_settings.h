// What a rehearsal takes over from the site's own settings files, so that it runs as the site would.
//
// Threads: values.
#pragma once

#include <string>
#include <vector>

#include "shared/settings/runner_limits.h"

namespace dynflow::migration {

struct SiteSettings {
  std::string source;            // the folder that was read; empty: none, these are the defaults
  bool is_database_file = true;  // tasks are kept in a file, a throw-away one; else in memory
  std::string log_level = "INFO";
  settings::RunnerLimits runner_limits;
  std::string ssh_transport = "auto";
  bool cleanup_working_dirs = true;
  bool is_tls = false;           // the proxy has an https listener
  std::vector<std::string> notes;  // what is not as at the site, and why; one line each
};

// `config_dir`: settings.yml and settings.d of the proxy; it and what is named in there are below `root`. What cannot be read leaves the
// defaults and a note.
SiteSettings read_site(const std::string& config_dir, const std::string& root = {});

}  // namespace dynflow::migration
