#include "shared/log/file_sink.h"

#include <fcntl.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "shared/base/temporary_folder.h"
#include "shared/log/patience.h"

namespace dynflow::log {
namespace {

using namespace std::chrono_literals;

// A disk that can be told to hang.
class Disk {
 public:
  ssize_t write(int fd, const void* data, std::size_t size) {
    if (error_ != 0) {
      errno = error_;
      return -1;
    }
    std::unique_lock lock(mutex_);
    ++at_it_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !hangs_; });
    --at_it_;
    return ::write(fd, data, size);
  }
  void hang() {
    const std::lock_guard lock(mutex_);
    hangs_ = true;
  }
  void go_on() {
    const std::lock_guard lock(mutex_);
    hangs_ = false;
    changed_.notify_all();
  }
  // Until a thread waits for it.
  void wait_for_somebody() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return at_it_ > 0; });
  }
  void refuse(int error) { error_ = error; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool hangs_ = false;
  int at_it_ = 0;
  std::atomic<int> error_{0};
};

struct Fixture {
  const TemporaryFolder folder = TemporaryFolder::make("file-sink").value();
  const std::string path = (folder.path() / "proxy.log").string();
  Disk disk;

  FileSink::Options options() {
    FileSink::Options options;
    options.path = path;
    options.write = [this](int fd, const void* data, std::size_t size) { return disk.write(fd, data, size); };
    options.loss = [](std::uint64_t lost) { return "lost " + std::to_string(lost); };
    return options;
  }
  std::string text() const {
    std::ifstream in(path);
    std::stringstream all;
    all << in.rdbuf();
    return all.str();
  }
};

void log(FileSink& sink, const std::string& text) { sink.log(spdlog::details::log_msg("test", spdlog::level::info, text)); }

// A thread that may wait for the disk.
std::thread patient(const std::function<void()>& body) {
  return std::thread([body] {
    may_wait_for_disk();
    body();
  });
}

}  // namespace

TEST_CASE_METHOD(Fixture, "records are in the file when log() returns, whoever logs", "[file_sink]") {
  FileSink sink(options());
  REQUIRE(sink.open().ok());
  log(sink, "one");
  CHECK(text() == "one\n");
  patient([&] {
    log(sink, "two");
    CHECK(text() == "one\ntwo\n");
  }).join();
  CHECK(sink.finish(Deadline::after(10s)));
  log(sink, "late");
  CHECK(text() == "one\ntwo\nlate\n");
}

TEST_CASE_METHOD(Fixture, "many threads at once: every record once, whole, in the order of its thread", "[file_sink]") {
  FileSink sink(options());
  REQUIRE(sink.open().ok());
  constexpr int kThreads = 8, kRecords = 500;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    const auto body = [&sink, thread] {
      for (int i = 0; i < kRecords; ++i) log(sink, std::to_string(thread) + " " + std::to_string(i));
    };
    threads.push_back(thread % 2 == 0 ? patient(body) : std::thread(body));
  }
  for (std::thread& thread : threads) thread.join();
  // All have returned: nothing is missing.
  std::vector<int> next(kThreads, 0);
  std::ifstream in(path);
  int thread = 0, number = 0, records = 0;
  while (in >> thread >> number) {
    ++records;
    REQUIRE(number == next.at(static_cast<std::size_t>(thread))++);
  }
  CHECK(records == kThreads * kRecords);
}

TEST_CASE_METHOD(Fixture, "a disk that hangs holds up one thread that may wait, and no other", "[file_sink]") {
  FileSink sink(options());
  REQUIRE(sink.open().ok());
  disk.hang();
  std::thread held_up = patient([&] { log(sink, "first"); });
  disk.wait_for_somebody();
  // These would never return.
  for (int i = 0; i < 20; ++i) log(sink, "impatient " + std::to_string(i));
  patient([&] { log(sink, "patient"); }).join();
  CHECK(text().empty());
  CHECK_FALSE(sink.finish(Deadline::after(0s)));
  disk.go_on();
  held_up.join();
  std::string wanted = "first\n";
  for (int i = 0; i < 20; ++i) wanted += "impatient " + std::to_string(i) + "\n";
  CHECK(text() == wanted + "patient\n");
  CHECK(sink.finish(Deadline::after(10s)));
}

TEST_CASE_METHOD(Fixture, "where nobody may wait the sink's own thread does", "[file_sink]") {
  FileSink sink(options());
  REQUIRE(sink.open().ok());
  for (int round = 0; round < 2; ++round) {
    disk.hang();
    log(sink, "a");
    log(sink, "b");
    disk.wait_for_somebody();
    disk.go_on();
    // The disk goes on: records are waited for again.
    while (text().size() < static_cast<std::size_t>(round * 6 + 4)) std::this_thread::yield();
    log(sink, "c");
    CHECK(text() == (round == 0 ? "a\nb\nc\n" : "a\nb\nc\na\nb\nc\n"));
  }
}

TEST_CASE_METHOD(Fixture, "what does not fit while the disk hangs is lost and counted in its place", "[file_sink]") {
  FileSink::Options bounded = options();
  bounded.most_waiting = 8;
  FileSink sink(std::move(bounded));
  REQUIRE(sink.open().ok());
  disk.hang();
  std::thread held_up = patient([&] { log(sink, "first"); });
  disk.wait_for_somebody();
  for (const char* record : {"abc", "def", "ghi", "j", "k"}) log(sink, record);
  disk.go_on();
  held_up.join();
  log(sink, "next");
  CHECK(text() == "first\nabc\ndef\nlost 3\nnext\n");
}

TEST_CASE_METHOD(Fixture, "a full disk is an exception for who logs, and no end", "[file_sink]") {
  FileSink sink(options());
  REQUIRE(sink.open().ok());
  disk.refuse(ENOSPC);
  CHECK_THROWS_AS(log(sink, "one"), spdlog::spdlog_ex);
  patient([&] { CHECK_THROWS_AS(log(sink, "two"), spdlog::spdlog_ex); }).join();
  disk.refuse(0);
  log(sink, "three");
  CHECK(text() == "three\n");
}

}  // namespace dynflow::log
