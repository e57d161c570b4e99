#include "shared/daemon/supervisor.h"

#include <catch2/catch.hpp>
#include <cstdlib>

using namespace dynflow;
using namespace dynflow::daemon;
using namespace std::chrono_literals;

TEST_CASE("without a service manager nothing is said and nothing is there") {
  ::unsetenv("NOTIFY_SOCKET");
  ::unsetenv("WATCHDOG_USEC");
  CHECK(take_sockets().empty());
  CHECK_FALSE(watchdog_interval());
  tell_ready();
  tell_reloading();
  tell_alive();
  tell_stopping();
  auto opened = open_listeners({{"http", "127.0.0.1", 0}}, {});
  REQUIRE(opened);
  CHECK_FALSE(keep_sockets(*opened));
}

TEST_CASE("the watchdog is fed twice as often as it looks") {
  ::unsetenv("WATCHDOG_PID");
  ::setenv("WATCHDOG_USEC", "3000000", 1);
  REQUIRE(watchdog_interval());
  CHECK(*watchdog_interval() == 1500ms);
  ::setenv("WATCHDOG_PID", "1", 1);  // somebody else's
  CHECK_FALSE(watchdog_interval());
  ::unsetenv("WATCHDOG_PID");
  ::unsetenv("WATCHDOG_USEC");
}

TEST_CASE("sockets that are meant for another process are left alone") {
  ::setenv("LISTEN_FDS", "1", 1);
  ::setenv("LISTEN_PID", "1", 1);
  CHECK(take_sockets().empty());
  CHECK(std::getenv("LISTEN_FDS") == nullptr);
}
