#include "migration/rehearse/end_with_parent.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "shared/base/executable.h"

namespace dynflow::migration {

namespace {

constexpr std::string_view kName = "dynflow-migrate";
constexpr std::string_view kWord = "--end-with";  // then the process to end with, then the command line

}  // namespace

std::vector<std::string> ending_with_us(std::vector<std::string> argv) {
  const auto self = executable_path();
  if (self.filename() != kName) return argv;
  argv.insert(argv.begin(), {self.string(), std::string(kWord), std::to_string(getpid())});
  return argv;
}

std::optional<int> become_the_other(int argc, char** argv) {
  if (argc < 4 || argv[1] != kWord) return std::nullopt;
  if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) return 126;
  // It may be gone already: then no signal comes.
  if (getppid() != std::atoi(argv[2])) return 125;
  execvp(argv[3], argv + 3);
  std::fprintf(stderr, "%s: %s\n", argv[3], std::strerror(errno));
  return 127;
}

}  // namespace dynflow::migration
