#include "shared/log/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "shared/base/fd.h"
#include "shared/base/ids.h"
#include "shared/base/secret.h"
#include "shared/log/setup.h"

namespace dynflow::log {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// A folder of its own and the default set-up again afterwards.
struct Fixture {
  fs::path folder = fs::temp_directory_path() / ("dynflow-log-" + random_hex(8));
  VirtualClock clock;
  Options options;

  Fixture() {
    fs::create_directories(folder);
    options.target = folder / "proxy.log";
    options.file_pattern = "%X{request} [%.1l] %m";
    options.clock = &clock;
  }
  ~Fixture() {
    Options quiet;
    quiet.target = "STDERR";
    quiet.level = Level::kFatal;
    CHECK(configure(quiet).ok());
    fs::remove_all(folder);
  }
  std::string text() const { return read(folder / "proxy.log"); }
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename());
    return names;
  }
};

// Standard output goes to a file while the object lives.
class CapturedStdout {
 public:
  explicit CapturedStdout(fs::path path) : path_(std::move(path)), saved_(dup(STDOUT_FILENO)) {
    std::fflush(stdout);
    const Fd file(open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
    dup2(file.get(), STDOUT_FILENO);
  }
  ~CapturedStdout() { restore(); }
  std::string text() {
    restore();
    return read(path_);
  }

 private:
  void restore() {
    if (!saved_) return;
    std::fflush(stdout);
    dup2(saved_.get(), STDOUT_FILENO);
    saved_.reset();
  }
  fs::path path_;
  Fd saved_;
};

template <class T>
concept Loggable = requires(T value) { fmt::formatter<T>().format(value, std::declval<fmt::format_context&>()); };
static_assert(Loggable<int>);
static_assert(!Loggable<Secret>, "a secret must not be loggable");

TEST_CASE_METHOD(Fixture, "records reach the file at once, from the level on") {
  REQUIRE(configure(options).ok());
  info({.request_id = "abc"}, "{} hosts", 3);
  CHECK(text() == "abc [I] 3 hosts\n");
  debug({}, "not shown");
  set_level(Level::kDebug);
  debug({.task_id = "t"}, "shown");
  set_level(Level::kError);
  warn({}, "not shown");
  fatal({}, "end");
  CHECK(text() == "abc [I] 3 hosts\n [D] shown\n [F] end\n");
  CHECK(level() == Level::kError);
}

TEST_CASE_METHOD(Fixture, "a record cannot forge another") {
  REQUIRE(configure(options).ok());
  info({}, "user {}", "x\n [E] forged \xFF\x1b[1m");
  write_with_lines(Level::kWarn, {}, "failed", "a.rb:1\n [E] forged\n");
  CHECK(text() == " [I] user x\\n [E] forged ?\\x1b[1m\n [W] failed\n  a.rb:1\n   [E] forged\n");
}

TEST_CASE_METHOD(Fixture, "the buffer gets what the file gets") {
  options.buffer = Buffer::create().value();
  REQUIRE(configure(options).ok());
  debug({}, "too low");
  info({.request_id = "0123456789"}, "seen");
  write_with_lines(Level::kError, {}, "failed", "line");
  const auto records = options.buffer->records();
  REQUIRE(records.size() == 2);
  CHECK(records[0].message == "seen");
  CHECK(records[0].request_id == "01234567");
  CHECK(records[0].time == clock.now());
  CHECK(records[0].backtrace.empty());
  CHECK(records[1].level == Level::kError);
  CHECK(records[1].backtrace == "  line");
  CHECK(records[1].request_id.empty());
}

TEST_CASE_METHOD(Fixture, "USR1 opens the file anew") {
  REQUIRE(configure(options).ok());
  info({}, "before");
  fs::rename(folder / "proxy.log", folder / "proxy.log.1");
  info({}, "still old");
  reopen();
  info({}, "after");
  CHECK(read(folder / "proxy.log.1") == " [I] before\n [I] still old\n");
  CHECK(text() == " [I] Logging file reopened via USR1 signal\n [I] after\n");
}

TEST_CASE_METHOD(Fixture, "a file that cannot be opened: standard output, with upstream's warning") {
  options.target = folder / "missing" / "proxy.log";
  options.level = Level::kError;
  CapturedStdout out(folder / "stdout");
  REQUIRE(configure(options).ok());
  error({}, "to stdout");
  fs::create_directory(folder / "missing");
  reopen();
  error({}, "to the file");
  CHECK(out.text() == " [W] Log file " + options.target + " cannot be opened. Falling back to STDOUT: " +
                          "No such file or directory - " + options.target + "\n [E] to stdout\n");
  CHECK(read(options.target) == " [E] to the file\n");
}

TEST_CASE_METHOD(Fixture, "what is no regular file is not waited for") {
  options.target = folder / "pipe";
  REQUIRE(mkfifo(options.target.c_str(), 0600) == 0);
  CapturedStdout out(folder / "stdout");
  REQUIRE(configure(options).ok());
  CHECK(out.text().find("Falling back to STDOUT") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "no journal: standard output, with upstream's warning") {
  options.target = GENERATE("JOURNAL", "journald");
  options.journal_socket = folder / "no-socket";
  CapturedStdout out(folder / "stdout");
  REQUIRE(configure(options).ok());
  CHECK(out.text() == " [W] Journald is not available on this platform. Falling back to STDOUT.\n");
}

TEST_CASE_METHOD(Fixture, "STDOUT in any case") {
  options.target = GENERATE("STDOUT", "stdout", "StdOut");
  CapturedStdout out(folder / "stdout");
  REQUIRE(configure(options).ok());
  info({}, "hello");
  CHECK(out.text() == " [I] hello\n");
}

TEST_CASE_METHOD(Fixture, "the file is not inherited by children and keeps its content") {
  {
    std::ofstream old(folder / "proxy.log");
    old << "old\n";
  }
  REQUIRE(configure(options).ok());
  info({}, "new");
  CHECK(text() == "old\n [I] new\n");
  int inherited = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (fs::read_symlink(entry.path(), gone) != folder / "proxy.log") continue;
    if ((fcntl(std::stoi(entry.path().filename()), F_GETFD) & FD_CLOEXEC) == 0) ++inherited;
  }
  CHECK(inherited == 0);
}

TEST_CASE_METHOD(Fixture, "rolling by size keeps the newest files") {
  options.rolling_size = 20;
  options.rolling_keep = 2;
  REQUIRE(configure(options).ok());
  for (int i = 0; i < 5; ++i) {
    info({}, "a record of some length {}", i);
    clock.advance(std::chrono::seconds(1));
  }
  const auto names = files();
  CHECK(std::count_if(names.begin(), names.end(), [](const auto& name) { return name.rfind("proxy.2", 0) == 0; }) == 2);
  CHECK(names.count("proxy.log") == 1);
  CHECK(text().empty());
  const auto newest = std::find_if(names.rbegin(), names.rend(), [](const auto& name) { return name != "proxy.log.age" && name != "proxy.log"; });
  REQUIRE(newest != names.rend());
  CHECK(read(folder / *newest) == " [I] a record of some length 4\n");
}

TEST_CASE_METHOD(Fixture, "rolling by age counts over restarts") {
  options.rolling_size = 1'000'000;
  options.rolling_age = GENERATE("daily", "weekly", "monthly", "3600");
  REQUIRE(configure(options).ok());
  info({}, "first");
  CHECK(files() == std::set<std::string>{"proxy.log", "proxy.log.age"});
  clock.advance(std::chrono::hours(24 * 32));
  REQUIRE(configure(options).ok());
  info({}, "second");
  CHECK(files().size() == 3);
  CHECK(text().empty());
  info({}, "third");
  CHECK(text() == " [I] third\n");
}

TEST_CASE_METHOD(Fixture, "set-ups that mean nothing are refused and change nothing") {
  REQUIRE(configure(options).ok());
  Options bad = options;
  bad.file_pattern = "%q";
  CHECK(configure(bad).error().code() == Code::kInvalid);
  bad = options;
  bad.system_pattern = "%";
  CHECK_FALSE(configure(bad).ok());
  bad = options;
  bad.rolling_size = 1;
  bad.rolling_age = "yearly";
  CHECK_FALSE(configure(bad).ok());
  info({}, "still here");
  CHECK(text() == " [I] still here\n");
}

TEST_CASE("names of levels") {
  CHECK(parse_level("DEBUG").value() == Level::kDebug);
  CHECK(parse_level("warn").value() == Level::kWarn);
  CHECK(parse_level("Fatal").value() == Level::kFatal);
  CHECK(parse_level("UNKNOWN").value() == Level::kFatal);
  CHECK_FALSE(parse_level("loud").ok());
  CHECK_FALSE(parse_level("").ok());
  CHECK(to_string(Level::kError) == "ERROR");
}

}  // namespace
}  // namespace dynflow::log
