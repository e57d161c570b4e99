#include "shared/net/event_loop.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <stdexcept>

#include "shared/base/thread.h"

using namespace dynflow;
using namespace dynflow::net;
using namespace std::chrono_literals;

namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    out.reset(ends[0]);
    in.reset(ends[1]);
  }
  Fd out, in;
};

}  // namespace

TEST_CASE("tasks run in the order they were posted, before stop takes effect") {
  EventLoop loop;
  std::vector<int> seen;
  loop.post([&] { seen.push_back(1); });
  loop.post([&] { throw std::runtime_error("ignored"); });
  loop.post([&] { seen.push_back(2); });
  loop.stop();
  loop.run();
  CHECK(seen == std::vector<int>{1, 2});
}

TEST_CASE("timers fire in time order, cancelled ones never") {
  EventLoop loop;
  std::vector<int> seen;
  const Instant now = system_clock().instant();
  loop.run_at(now + 2ms, [&] { seen.push_back(2); });
  loop.run_at(now + 1ms, [&] { seen.push_back(1); });
  const auto cancelled = loop.run_at(now, [&] { seen.push_back(9); });
  loop.cancel(cancelled);
  loop.run_at(now + 3ms, [&] { loop.stop(); });
  loop.run();
  CHECK(seen == std::vector<int>{1, 2});
}

TEST_CASE("a watched descriptor calls back until it is unwatched") {
  EventLoop loop;
  Pipe first, second;
  REQUIRE(::write(first.in.get(), "xx", 2) == 2);
  int calls = 0;
  EventLoop::WatchId watch = 0;
  auto added = loop.watch(first.out.get(), kReadable, [&](std::uint32_t events) {
    CHECK((events & kReadable) != 0);
    if (++calls == 2) {
      loop.unwatch(watch);
      loop.run_after(1ms, [&] { loop.stop(); });
    }
  });
  REQUIRE(added);
  watch = *added;
  loop.run();
  CHECK(calls == 2);
}

TEST_CASE("another thread wakes the loop") {
  EventLoop loop;
  bool was_in_loop = false;
  NamedThread other("poster", [&] {
    loop.post([&] {
      was_in_loop = loop.is_in_loop_thread();
      loop.stop();
    });
  });
  loop.run();
  CHECK(was_in_loop);
  CHECK_FALSE(loop.is_in_loop_thread());
}
