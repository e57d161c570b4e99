#include "shared/log/system_sink.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "shared/base/temporary_folder.h"
#include "shared/log/log.h"
#include "shared/log/setup.h"

namespace dynflow::log {
namespace {

using namespace std::chrono_literals;

// A daemon that reads when it is told to.
class Daemon {
 public:
  explicit Daemon(std::string path) : path_(std::move(path)), fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    REQUIRE(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  ~Daemon() { std::filesystem::remove(path_); }

  // The next datagram; empty when none comes for 10 s.
  std::string next() {
    pollfd one{fd_.get(), POLLIN, 0};
    if (poll(&one, 1, 10'000) != 1) return {};
    std::string text(SystemSink::kLongestRecord + 1000, '\0');
    const ssize_t size = recv(fd_.get(), text.data(), text.size(), 0);
    text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return text;
  }
  bool has_one() const {
    pollfd one{fd_.get(), POLLIN, 0};
    return poll(&one, 1, 0) == 1;
  }

 private:
  const std::string path_;
  Fd fd_;
};

struct Fixture {
  const TemporaryFolder folder = TemporaryFolder::make("system-sink").value();
  const std::string path = (folder.path() / "log").string();

  SystemSink::Options options(SystemSink::Protocol protocol = SystemSink::Protocol::kSyslog) const {
    SystemSink::Options options;
    options.protocol = protocol;
    options.socket = path;
    options.program = "test";
    return options;
  }
  static void say(SystemSink& sink, const std::string& text, spdlog::level::level_enum level = spdlog::level::info) {
    sink.log(spdlog::details::log_msg("test", level, text));
  }
};

// What comes after "test[PID]: ".
std::string text_of(const std::string& datagram) {
  const auto at = datagram.find("]: ");
  return at == std::string::npos ? datagram : datagram.substr(at + 3);
}

TEST_CASE_METHOD(Fixture, "syslog gets priority, time, program and text") {
  Daemon daemon(path);
  VirtualClock clock;
  auto how = options();
  how.clock = &clock;
  SystemSink sink(how);
  say(sink, "first\n  second", spdlog::level::err);
  const std::string datagram = daemon.next();
  CHECK(datagram.starts_with("<171>"));
  // "Jan  1 00:00:00": the day has two places.
  CHECK(datagram.substr(8, 1) == " ");
  CHECK(datagram.substr(11, 1) == " ");
  CHECK(datagram.substr(20) == fmt::format(" test[{}]: first\n  second", getpid()));
  for (const auto& [level, priority] : {std::pair(spdlog::level::critical, 170), std::pair(spdlog::level::warn, 172), std::pair(spdlog::level::info, 174),
                                        std::pair(spdlog::level::debug, 175)}) {
    say(sink, "x", level);
    CHECK(daemon.next().starts_with(fmt::format("<{}>", priority)));
  }
}

TEST_CASE_METHOD(Fixture, "the journal gets fields; a text of several lines with its length") {
  Daemon daemon(path);
  SystemSink sink(options(SystemSink::Protocol::kJournal));
  const std::string rest = "PRIORITY=4\nSYSLOG_FACILITY=21\nSYSLOG_IDENTIFIER=test\n";
  say(sink, "one line", spdlog::level::warn);
  CHECK(daemon.next() == "MESSAGE=one line\n" + rest);
  say(sink, "two\nlines", spdlog::level::warn);
  CHECK(daemon.next() == "MESSAGE\n" + std::string("\x09\0\0\0\0\0\0\0", 8) + "two\nlines\n" + rest);
}

TEST_CASE_METHOD(Fixture, "a long record is cut, and says so") {
  Daemon daemon(path);
  SystemSink sink(options());
  say(sink, std::string(5'000'000, 'x'));
  const std::string text = text_of(daemon.next());
  CHECK(text.size() < SystemSink::kLongestRecord + 100);
  CHECK(text != std::string(text.size(), 'x'));
}

TEST_CASE_METHOD(Fixture, "nobody waits for a daemon that reads nothing, and nothing gets lost that fits") {
  Daemon daemon(path);
  SystemSink sink(options());
  // The kernel keeps some tens or hundreds of datagrams, net.unix.max_dgram_qlen; 4 MiB hold the rest.
  constexpr int kRecords = 20'000;
  for (int i = 0; i < kRecords; ++i) say(sink, std::to_string(i));
  for (int i = 0; i < kRecords; ++i) {
    if (const std::string text = text_of(daemon.next()); text != std::to_string(i)) FAIL(fmt::format("{} instead of {}", text, i));
  }
  say(sink, "after");
  CHECK(text_of(daemon.next()) == "after");
  CHECK(sink.finish(Deadline::after(10s)) == 0);
}

TEST_CASE_METHOD(Fixture, "what does not fit is lost, and a record in its place says how much") {
  Daemon daemon(path);
  auto how = options();
  how.most_waiting = 10'000;
  SystemSink sink(how);
  constexpr int kRecords = 20'000;
  for (int i = 0; i < kRecords; ++i) say(sink, std::to_string(i));
  int taken = 0;
  std::string text = text_of(daemon.next());
  while (text == std::to_string(taken)) {
    ++taken;
    text = text_of(daemon.next());
  }
  CHECK(taken > 100);
  CHECK(text == fmt::format("{} log records were lost here: the system's log took none", kRecords - taken));
  say(sink, "after");
  CHECK(text_of(daemon.next()) == "after");
}

TEST_CASE_METHOD(Fixture, "the end waits for a daemon that is slow, and not for one that hangs") {
  Daemon daemon(path);
  SystemSink sink(options());
  constexpr int kRecords = 5'000;
  for (int i = 0; i < kRecords; ++i) say(sink, std::to_string(i));
  SECTION("slow") {
    int taken = 0;
    std::thread reader([&] {
      while (taken < kRecords && !daemon.next().empty()) ++taken;
    });
    CHECK(sink.finish(Deadline::after(30s)) == 0);
    reader.join();
    CHECK(taken == kRecords);
  }
  SECTION("hanging") {
    const std::uint64_t lost = sink.finish(Deadline::after(10ms));
    CHECK(lost > 0);
    CHECK(lost < kRecords);
    // Afterwards nothing waits, and nothing is started again.
    say(sink, "late");
    CHECK(sink.finish(Deadline::after(10ms)) == lost + 1);
  }
}

TEST_CASE_METHOD(Fixture, "records wait for a daemon that is started anew") {
  auto daemon = std::make_unique<Daemon>(path);
  SystemSink sink(options());
  say(sink, "one");
  CHECK(text_of(daemon->next()) == "one");
  daemon.reset();
  CHECK_THROWS_AS(say(sink, "two"), spdlog::spdlog_ex);
  say(sink, "three");
  daemon = std::make_unique<Daemon>(path);
  CHECK(text_of(daemon->next()) == "two");
  CHECK(text_of(daemon->next()) == "three");
  // Between two records a new one is noticed at once.
  daemon.reset();
  daemon = std::make_unique<Daemon>(path);
  say(sink, "four");
  CHECK(text_of(daemon->next()) == "four");
  CHECK(sink.finish(Deadline::after(10s)) == 0);
}

TEST_CASE_METHOD(Fixture, "the log goes on when it is set up anew while its daemon hangs, and says what was lost") {
  Daemon daemon(path);
  Options how;
  how.target = "SYSLOG";
  how.syslog_socket = path;
  how.system_pattern = "%m";
  how.buffer = Buffer::create().value();
  REQUIRE(configure(how).ok());
  for (int i = 0; i < 3'000; ++i) info({}, "{}", i);
  // The same target: what waits goes on waiting.
  REQUIRE(configure(how).ok());
  CHECK(text_of(daemon.next()) == "0");
  Options file = how;
  file.target = (folder.path() / "program.log").string();
  REQUIRE(configure(file).ok());
  const auto records = how.buffer->records();
  CHECK(records.back().message.ends_with("log records were lost: the system's log did not take them"));
  CHECK(records.back().level == Level::kWarn);
  Options quiet;
  quiet.target = "STDERR";
  quiet.level = Level::kFatal;
  REQUIRE(configure(quiet).ok());
  while (daemon.has_one()) daemon.next();
}

}  // namespace
}  // namespace dynflow::log
