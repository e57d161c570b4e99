// What a change of mode writes into the settings files, and what becomes of each setting of the core service (C11).
//
// Threads: pure functions of what was read.
#pragma once

#include <string>
#include <vector>

#include "migration/site/site.h"
#include "shared/base/result.h"

namespace dynflow::migration {

enum class Target { kInternal, kExternal, kMerged };
// "internal", "external", "merged".
Result<Target> parse_target(std::string_view word);

struct FileChange {
  std::string path;  // as the site names it
  std::string before;
  std::string after;
};

struct Fate {
  std::string key;
  std::string value;   // as it is written
  std::string origin;  // file:line
  std::string text;    // "moved to ...", "no equivalent: ..."
  bool needs_attention = false;
};

struct Move {
  std::vector<FileChange> changes;
  std::vector<Fate> fates;
};

// Errors: kInvalid, kUnprocessable: a file that cannot be read or edited by line.
Result<Move> move_to(const Site& site, Target target);

// The changes as one unified diff, to look at: without the credentials in URLs. Empty when nothing changes.
std::string diff_of(const Move& move);
// Writes them, with backups. On an error those before it are written.
Status write(const Layout& layout, const Move& move);

}  // namespace dynflow::migration
