#include "shared/log/file_sink.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <vector>

namespace dynflow::log {

namespace {

std::string error_text(int number) { return std::generic_category().message(number); }

std::tm local_parts(std::time_t time) {
  std::tm parts{};
  localtime_r(&time, &parts);
  return parts;
}

// Sets the time of `path` to `when`, making the file first if need be. That it cannot be done only means that the
// age is counted from the start of the program.
void touch(const std::string& path, std::time_t when) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640));
  if (!fd) return;
  const std::array<timespec, 2> times{timespec{when, 0}, timespec{when, 0}};
  static_cast<void>(futimens(fd.get(), times.data()));
}

// True for "<digits>" and "<digits>-<digits>", the stamps of rolled files.
bool is_stamp(std::string_view text) {
  const auto dash = text.find('-');
  const auto is_digits = [](std::string_view part) {
    return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
  };
  return is_digits(text.substr(0, dash)) && (dash == std::string_view::npos || is_digits(text.substr(dash + 1)));
}

}  // namespace

Result<Age> parse_age(std::string_view text) {
  if (text == "daily") return Age{Age::Kind::kDaily, 0};
  if (text == "weekly") return Age{Age::Kind::kWeekly, 0};
  if (text == "monthly") return Age{Age::Kind::kMonthly, 0};
  Age age{Age::Kind::kSeconds, 0};
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, age.seconds);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != end) {
    return Error(Code::kInvalid, "log rolling age must be daily, weekly, monthly or a number of seconds");
  }
  return age;
}

Status FileSink::open() {
  const std::lock_guard lock(mutex_);
  return open_locked();
}

Status FileSink::open_locked() {
  fd_.reset();
  // Non-blocking, because opening a pipe that nobody reads would wait for ever.
  Fd fd(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640));
  if (!fd) return Error(Code::kFailed, error_text(errno) + " - " + path_);
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return Error(Code::kFailed, error_text(errno) + " - " + path_);
  if (!S_ISREG(info.st_mode)) return Error(Code::kFailed, path_ + " is not a regular file");
  fd_ = std::move(fd);
  size_ = static_cast<std::uint64_t>(info.st_size);
  if (rolling_) {
    struct stat age {};
    rolled_at_ = std::chrono::system_clock::to_time_t(clock_.now());
    if (stat((path_ + ".age").c_str(), &age) == 0) {
      rolled_at_ = age.st_mtime;
    } else {
      touch(path_ + ".age", rolled_at_);
    }
  }
  return {};
}

void FileSink::sink_it_(const spdlog::details::log_msg& message) {
  if (!fd_) spdlog::throw_spdlog_ex(path_ + " is not open");
  std::string line(message.payload.data(), message.payload.size());
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = ::write(fd_.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) spdlog::throw_spdlog_ex(path_, errno);
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  size_ += line.size();
  if (rolling_) roll_if_due();
}

bool FileSink::is_aged() const {
  const std::time_t now = std::chrono::system_clock::to_time_t(clock_.now());
  const std::time_t age = now - rolled_at_;
  constexpr std::time_t kDay = 24 * 3600;
  switch (rolling_->age.kind) {
    case Age::Kind::kSeconds:
      return age > 0 && static_cast<std::uint64_t>(age) > rolling_->age.seconds;
    case Age::Kind::kDaily:
      return age > kDay || local_parts(now).tm_mday != local_parts(rolled_at_).tm_mday;
    case Age::Kind::kWeekly:
      return age > 7 * kDay;
    case Age::Kind::kMonthly:
      return age > 31 * kDay || local_parts(now).tm_mon != local_parts(rolled_at_).tm_mon;
  }
  return false;
}

void FileSink::roll_if_due() {
  if (size_ <= rolling_->size && !is_aged()) return;
  const std::time_t now = std::chrono::system_clock::to_time_t(clock_.now());
  const std::tm parts = local_parts(now);
  std::array<char, 32> stamp{};
  const std::size_t length = std::strftime(stamp.data(), stamp.size(), ".%Y%m%d-%H%M%S", &parts);
  const std::filesystem::path path(path_);
  const std::filesystem::path rolled =
      path.parent_path() / (path.stem().string() + std::string(stamp.data(), length) + path.extension().string());
  std::error_code failure;
  // Two rolls within one second: the file grows until the next record.
  if (std::filesystem::exists(rolled, failure)) return;
  std::filesystem::rename(path, rolled, failure);
  if (failure) spdlog::throw_spdlog_ex("cannot roll " + path_, failure.value());
  touch(path_ + ".age", now);
  remove_old_files();
  if (const Status opened = open_locked(); !opened.ok()) spdlog::throw_spdlog_ex(opened.error().message());
}

void FileSink::remove_old_files() const {
  const std::filesystem::path path(path_);
  const std::string prefix = path.stem().string() + ".";
  const std::string suffix = path.extension().string();
  std::vector<std::filesystem::path> rolled;
  std::error_code failure;
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  for (std::filesystem::directory_iterator entry(folder, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    const std::string name = entry->path().filename().string();
    if (name.size() <= prefix.size() + suffix.size() || name.rfind(prefix, 0) != 0) continue;
    if (name.substr(name.size() - suffix.size()) != suffix) continue;
    if (is_stamp(std::string_view(name).substr(prefix.size(), name.size() - prefix.size() - suffix.size()))) {
      rolled.push_back(entry->path());
    }
  }
  std::sort(rolled.begin(), rolled.end());
  // A file that cannot be removed is tried again at the next roll.
  for (std::size_t i = 0; i + rolling_->keep < rolled.size(); ++i) std::filesystem::remove(rolled[i], failure);
}

}  // namespace dynflow::log
