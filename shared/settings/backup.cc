#include "shared/settings/backup.h"

namespace dynflow::settings {

std::string backup_folder(const Values& values) {
  return values.get_bool("backup_deleted_plans") ? values.get_string("backup_dir") : std::string();
}

}  // namespace dynflow::settings
