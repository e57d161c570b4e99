#include "migration/site/listeners.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace dynflow::migration {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kListening = "0A";  // TCP_LISTEN, include/net/tcp_states.h of Linux

// The socket inodes that listen on the port.
std::vector<std::string> inodes_of(std::uint16_t port) {
  std::vector<std::string> found;
  const std::string wanted = fmt::format(":{:04X}", port);
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    std::string line;
    while (std::getline(file, line)) {
      std::istringstream words(line);
      std::vector<std::string> row;
      for (std::string word; words >> word;) row.push_back(word);
      if (row.size() > 9 && row[1].ends_with(wanted) && row[3] == kListening) found.push_back(fmt::format("socket:[{}]", row[9]));
    }
  }
  return found;
}

}  // namespace

std::optional<Listener> listener_on(std::uint16_t port) {
  const auto inodes = inodes_of(port);
  if (inodes.empty()) return std::nullopt;
  Listener listener;
  std::error_code failure;
  for (fs::directory_iterator process("/proc", failure), end; !failure && process != end; process.increment(failure)) {
    const std::string pid = process->path().filename().string();
    if (!std::all_of(pid.begin(), pid.end(), [](unsigned char letter) { return std::isdigit(letter) != 0; })) continue;
    std::error_code hidden;
    for (fs::directory_iterator fd(process->path() / "fd", hidden), last; !hidden && fd != last; fd.increment(hidden)) {
      std::error_code gone;
      const std::string target = fs::read_symlink(fd->path(), gone).string();
      if (std::find(inodes.begin(), inodes.end(), target) == inodes.end()) continue;
      std::ifstream name(process->path() / "comm");
      std::getline(name, listener.name);
      listener.pid = std::atol(pid.c_str());
      return listener;
    }
  }
  return listener;
}

}  // namespace dynflow::migration
