// Whether and where deleted tasks are kept: the same keys in dynflow.yml and in the core service's file. The names are those of a Dynflow
// world (2.0.0, lib/dynflow/config.rb).
//
// Threads: values.
#pragma once

#include <array>
#include <string>

#include "shared/settings/schema.h"

namespace dynflow::settings {

inline constexpr std::array kBackupSettings = {
    Setting{"backup_deleted_plans", Type::kBool, "false", "Whether finished tasks are kept as CSV files when they are deleted.", Null::kDefault},
    Setting{"backup_dir", Type::kPath, "/var/lib/foreman-proxy/dynflow/backup", "Folder of these files, one folder a day in it; nothing removes them.", Null::kDefault},
};

// Empty: they are not kept.
std::string backup_folder(const Values& values);

}  // namespace dynflow::settings
