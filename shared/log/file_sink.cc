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
#include <utility>
#include <vector>

#include "shared/log/patience.h"

namespace dynflow::log {

namespace {

// How long who may not wait does so for a record, the first times.
constexpr std::chrono::milliseconds kPatience{500};

thread_local bool may_this_thread_wait = false;

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

void may_wait_for_disk() { may_this_thread_wait = true; }
bool waits_for_disk() { return may_this_thread_wait; }

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

Status FileSink::open() { return open_file(); }

Status FileSink::open_file() {
  fd_.reset();
  // Non-blocking, because opening a pipe that nobody reads would wait for ever.
  Fd fd(::open(options_.path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640));
  if (!fd) return Error(Code::kFailed, error_text(errno) + " - " + options_.path);
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return Error(Code::kFailed, error_text(errno) + " - " + options_.path);
  if (!S_ISREG(info.st_mode)) return Error(Code::kFailed, options_.path + " is not a regular file");
  fd_ = std::move(fd);
  size_ = static_cast<std::uint64_t>(info.st_size);
  if (options_.rolling) {
    struct stat age {};
    rolled_at_ = std::chrono::system_clock::to_time_t(options_.clock->now());
    if (stat((options_.path + ".age").c_str(), &age) == 0) {
      rolled_at_ = age.st_mtime;
    } else {
      touch(options_.path + ".age", rolled_at_);
    }
  }
  return {};
}

void FileSink::log(const spdlog::details::log_msg& message) {
  std::unique_lock lock(mutex_);
  const std::size_t size = message.payload.size() + 1;
  if (lost_ > 0 || (!waiting_.empty() && waiting_.size() + size > options_.most_waiting)) {
    ++lost_;
    return;
  }
  waiting_.append(message.payload.data(), message.payload.size());
  waiting_ += '\n';
  const std::uint64_t mine = ++taken_;
  if (!is_writing_ && (waits_for_disk() || is_ending_)) {
    write_what_waits(lock);
  } else {
    if (!is_ending_ && !thread_.is_running()) thread_ = NamedThread("log", [this] { work(); });
    work_.notify_one();
    if (!is_hung_) {
      ++waiters_;
      is_hung_ = !done_.wait_for(lock, kPatience, [&] { return written_ >= mine; });
      --waiters_;
    }
  }
  if (const auto failure = std::exchange(failure_, std::nullopt)) spdlog::throw_spdlog_ex(*failure);
}

FileSink::~FileSink() { finish(Deadline::after(Duration::zero())); }

bool FileSink::finish(Deadline deadline) {
  {
    std::unique_lock lock(mutex_);
    ++waiters_;
    done_.wait_for(lock, deadline.left(), [this] { return !is_writing_ && waiting_.empty(); });
    --waiters_;
    is_ending_ = true;
    work_.notify_one();
    if (is_writing_ || !waiting_.empty()) return false;
  }
  thread_.join();
  return true;
}

void FileSink::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!is_writing_ && !waiting_.empty()) {
      write_what_waits(lock);
    } else if (is_ending_) {
      return;
    } else {
      work_.wait(lock);
    }
  }
}

void FileSink::write_what_waits(std::unique_lock<std::mutex>& lock) {
  is_writing_ = true;
  while (!waiting_.empty() || lost_ > 0) {
    std::string records = std::exchange(waiting_, {});
    const std::uint64_t lost = std::exchange(lost_, 0);
    const std::uint64_t taken = taken_;
    lock.unlock();
    std::string failure = write_out(std::move(records), lost);
    lock.lock();
    written_ = taken;
    is_hung_ = false;
    if (!failure.empty()) failure_ = std::move(failure);
    if (waiters_ > 0) done_.notify_all();
  }
  is_writing_ = false;
  if (waiters_ > 0) done_.notify_all();
}

std::string FileSink::write_out(std::string records, std::uint64_t lost) {
  try {
    if (!fd_) return options_.path + " is not open";
    if (lost > 0) records += options_.loss(lost) + '\n';
    write_all(records);
    size_ += records.size();
    if (options_.rolling) roll_if_due();
  } catch (const std::exception& failure) {
    return failure.what();
  }
  return {};
}

void FileSink::write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = options_.write(fd_.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) spdlog::throw_spdlog_ex(options_.path, errno);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

bool FileSink::is_aged() const {
  const std::time_t now = std::chrono::system_clock::to_time_t(options_.clock->now());
  const std::time_t age = now - rolled_at_;
  constexpr std::time_t kDay = 24 * 3600;
  switch (options_.rolling->age.kind) {
    case Age::Kind::kSeconds:
      return age > 0 && static_cast<std::uint64_t>(age) > options_.rolling->age.seconds;
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
  if (size_ <= options_.rolling->size && !is_aged()) return;
  const std::time_t now = std::chrono::system_clock::to_time_t(options_.clock->now());
  const std::tm parts = local_parts(now);
  std::array<char, 32> stamp{};
  const std::size_t length = std::strftime(stamp.data(), stamp.size(), ".%Y%m%d-%H%M%S", &parts);
  const std::filesystem::path path(options_.path);
  const std::filesystem::path rolled =
      path.parent_path() / (path.stem().string() + std::string(stamp.data(), length) + path.extension().string());
  std::error_code failure;
  // Two rolls within one second: the file grows until the next record.
  if (std::filesystem::exists(rolled, failure)) return;
  std::filesystem::rename(path, rolled, failure);
  if (failure) spdlog::throw_spdlog_ex("cannot roll " + options_.path, failure.value());
  touch(options_.path + ".age", now);
  remove_old_files();
  if (const Status opened = open_file(); !opened.ok()) spdlog::throw_spdlog_ex(opened.error().message());
}

void FileSink::remove_old_files() const {
  const std::filesystem::path path(options_.path);
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
  for (std::size_t i = 0; i + options_.rolling->keep < rolled.size(); ++i) std::filesystem::remove(rolled[i], failure);
}

}  // namespace dynflow::log
