// Small files as a whole: read at once, replaced durably.
//
// Threads: pure functions of the file system; whoever has several writers of one file locks.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "shared/base/fd.h"
#include "shared/base/result.h"

namespace dynflow {

// Errors: kNotFound, kForbidden, kFailed, with the path and the system's words.
Result<std::string> read_file(const std::filesystem::path& path);

// All of `text`, however many writes it takes; the descriptor blocks. Errors: kFailed with the system's words only.
Status write_all(const Fd& fd, std::string_view text);

struct ReplaceOptions {
  mode_t new_mode = 0640;           // of a file that was not there; one that was keeps its mode and owner
  bool must_keep_owner = true;      // false: who cannot give files away leaves it his own
  std::string_view backup_suffix{};  // what stood there is kept beside it under this name; empty: it is not kept
};
// After it the file has the text, or on an error still the old one; durable when it returns. A link is followed: what it leads to is
// replaced. Errors: kForbidden, kNotFound (no such folder), kFailed.
Status replace_file(const std::filesystem::path& path, std::string_view text, const ReplaceOptions& options = {});

// What a process that was killed in replace_file() left beside this file (<path>.??????.new). For whoever is its only writer.
void remove_leftovers(const std::filesystem::path& path);

}  // namespace dynflow
