#include "migration/rehearse/stand_in_foreman.h"

#include <catch2/catch.hpp>

#include "shared/http/client.h"

namespace dynflow::migration {
namespace {

constexpr std::string_view kCallbacks = "/foreman_tasks/api/tasks/callback";

int post(const StandInForeman& foreman, std::string_view path, std::string body) {
  http::ClientOptions options;
  options.host = "127.0.0.1";
  options.port = static_cast<std::uint16_t>(std::stoi(foreman.url().substr(foreman.url().rfind(':') + 1)));
  http::ClientPool client(options);
  const auto stream = http::body_of(std::move(body));
  const auto answer = client.send("POST", path, {}, stream.get(), Deadline::after(std::chrono::seconds(30)));
  return answer ? answer->status : 0;
}

TEST_CASE("The stand-in takes callbacks in both of their forms") {
  const auto foreman = StandInForeman::start();
  REQUIRE(foreman.ok());
  const Interrupt interrupt(Deadline::after(std::chrono::seconds(60)));
  CHECK(post(**foreman, kCallbacks, R"({"callback":{"task_id":"a","step_id":3},"data":{"exit_status":0}})") == 200);
  CHECK(post(**foreman, kCallbacks,
             R"({"callbacks":[{"callback":{"task_id":"b"},"data":{"exit_status":1}},{"callback":{"task_id":"c"},"data":{"exit_status":"EXCEPTION"}}]})") ==
        200);
  const auto arrivals = (*foreman)->wait_for(3, std::chrono::seconds(30), interrupt);
  REQUIRE(arrivals.size() == 3);
  CHECK(arrivals[0].task_id == "a");
  CHECK(arrivals[0].succeeded);
  CHECK(arrivals[1].task_id == "b");
  CHECK_FALSE(arrivals[1].succeeded);
  CHECK_FALSE(arrivals[2].succeeded);
  (*foreman)->clear();
  CHECK((*foreman)->wait_for(1, Duration::zero(), interrupt).empty());
}

TEST_CASE("The stand-in refuses what is no callback") {
  const auto foreman = StandInForeman::start();
  REQUIRE(foreman.ok());
  CHECK(post(**foreman, kCallbacks, "{") == 400);
  CHECK(post(**foreman, "/api/v2/hosts", "{}") == 404);
}

TEST_CASE("Who waits for callbacks can be interrupted") {
  const auto foreman = StandInForeman::start();
  REQUIRE(foreman.ok());
  Interrupt interrupt(Deadline::after(std::chrono::hours(1)));
  interrupt.set_for_test();
  CHECK((*foreman)->wait_for(1, std::chrono::hours(1), interrupt).empty());
}

}  // namespace
}  // namespace dynflow::migration
