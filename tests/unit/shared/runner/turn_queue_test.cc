#include "shared/runner/turn_queue.h"

#include <catch2/catch.hpp>

using dynflow::runner::RunnerRequest;
using dynflow::runner::TurnQueue;

namespace {

RunnerRequest request(std::string group, std::string id) {
  RunnerRequest r;
  r.group = std::move(group);
  r.runner_id = std::move(id);
  return r;
}

std::string pop_all(TurnQueue& queue, const std::function<bool(const std::string&)>& may_start) {
  std::string order;
  while (auto next = queue.pop(may_start)) order += next->runner_id + " ";
  return order;
}

bool anybody(const std::string&) { return true; }

}  // namespace

TEST_CASE("groups take turns, and are first come first served inside") {
  TurnQueue queue;
  for (const char* id : {"a1", "a2", "a3", "a4"}) queue.push(request("a", id));
  for (const char* id : {"b1", "b2"}) queue.push(request("b", id));
  queue.push(request("c", "c1"));
  CHECK(pop_all(queue, anybody) == "a1 b1 c1 a2 b2 a3 a4 ");
  CHECK(queue.empty());
}

TEST_CASE("a group that may not start does not hold back the others") {
  TurnQueue queue;
  queue.push(request("a", "a1"));
  queue.push(request("b", "b1"));
  queue.push(request("a", "a2"));
  CHECK(pop_all(queue, [](const std::string& group) { return group != "a"; }) == "b1 ");
  CHECK_FALSE(queue.empty());
  CHECK(pop_all(queue, anybody) == "a1 a2 ");
}

TEST_CASE("a waiting runner can be taken out") {
  TurnQueue queue;
  for (const char* id : {"a1", "a2", "a3"}) queue.push(request("a", id));
  queue.push(request("b", "b1"));
  REQUIRE(queue.take("a2"));
  CHECK_FALSE(queue.take("a2"));
  CHECK_FALSE(queue.take("unknown"));
  REQUIRE(queue.take("b1"));
  CHECK(pop_all(queue, anybody) == "a1 a3 ");
}
