#include "shared/metrics/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace dynflow::metrics {
namespace {

std::string contents(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The fields of /proc/self/stat behind the name, which may hold anything: the first is the third of proc(5).
std::vector<std::string> fields() {
  const std::string text = contents("/proc/self/stat");
  std::istringstream rest(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  return {std::istream_iterator<std::string>(rest), {}};
}

std::optional<double> boot_time() {
  const std::string text = contents("/proc/stat");
  const auto at = text.find("\nbtime ");
  if (at == std::string::npos) return std::nullopt;
  return std::stod(text.substr(at + 7));
}

}  // namespace

void write_process(Text& text) {
  const std::vector<std::string> stat = fields();
  constexpr std::size_t kThreads = 17;
  constexpr std::size_t kStart = 19;
  constexpr std::size_t kMemory = 20;
  constexpr std::size_t kResident = 21;
  if (stat.size() <= kResident) return;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; };
    text.single("process_cpu_seconds_total", Kind::kCounter, "User and system time.", seconds(usage.ru_utime) + seconds(usage.ru_stime));
  }
  text.single("process_resident_memory_bytes", Kind::kGauge, "Resident memory.", std::stoull(stat[kResident]) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)));
  text.single("process_virtual_memory_bytes", Kind::kGauge, "Virtual memory.", std::stoull(stat[kMemory]));
  text.single("process_threads", Kind::kGauge, "Threads.", std::stoull(stat[kThreads]));
  std::error_code failed;
  std::size_t descriptors = 0;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", failed), end; !failed && entry != end; entry.increment(failed)) ++descriptors;
  if (!failed) text.single("process_open_fds", Kind::kGauge, "Open descriptors.", descriptors);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) text.single("process_max_fds", Kind::kGauge, "Descriptors at most.", limit.rlim_cur);
  if (const auto boot = boot_time()) {
    text.single("process_start_time_seconds", Kind::kGauge, "When the process was started, seconds since 1970.", *boot + std::stod(stat[kStart]) / ticks);
  }
}

}  // namespace dynflow::metrics
