#include "shared/base/urgency.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>

using namespace dynflow;

namespace {

int niceness() { return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); }

}  // namespace

TEST_CASE("a thread that gives way is nicer than the others, and alone") {
  const int before = niceness();
  int inside = 0, of_child = 0, policy = 0;
  std::thread worker([&] {
    give_way();
    give_way();
    inside = niceness();
    policy = sched_getscheduler(0);
    std::thread([&] { of_child = niceness(); }).join();
  });
  worker.join();
  CHECK(inside == std::max(before, 5));
  CHECK(of_child == inside);
  CHECK(policy == SCHED_BATCH);
  CHECK(niceness() == before);
  CHECK(sched_getscheduler(0) != SCHED_BATCH);
}
