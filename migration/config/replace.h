// Replacing a file as a whole: durable, with the mode and owner it had, through a link to the file behind it.
//
// Threads: one at a time.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "shared/base/result.h"

namespace dynflow::migration {

// Errors: kNotFound, kForbidden, kFailed with the system's words.
Result<std::string> read_file(const std::filesystem::path& path);
// What stood there is kept beside it as "<name>.dynflow-migrate.bak" when `keeps_backup`. A new file gets mode 0640. On an error the
// old file is untouched.
Status replace_file(const std::filesystem::path& path, std::string_view text, bool keeps_backup);

}  // namespace dynflow::migration
