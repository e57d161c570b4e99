#include "shared/http/router.h"

#include <catch2/catch.hpp>

using namespace dynflow::http;

TEST_CASE("routes match by method and segments") {
  Router router;
  const auto count = router.add("GET", "/tasks/count");
  const auto status = router.add("GET", "/tasks/:task_id/status");
  const auto any = router.add("GET", "/tasks/:task_id");
  const auto cancel = router.add("POST", "/tasks/:task_id/cancel");
  const auto root = router.add("GET", "/");
  const auto files = router.add("GET", "/files/*path");
  const auto exact = router.add("GET", "/exact", false);

  const auto route = [&](std::string_view method, std::string_view path) {
    const auto match = router.match(method, path);
    return match ? static_cast<int>(match->route) : -1;
  };
  CHECK(route("GET", "/tasks/count") == static_cast<int>(count));
  CHECK(route("GET", "/tasks/count/") == static_cast<int>(count));
  CHECK(route("GET", "/tasks/%63ount") == static_cast<int>(count));
  CHECK(route("GET", "/tasks/1/status") == static_cast<int>(status));
  CHECK(route("GET", "/tasks/1") == static_cast<int>(any));
  CHECK(route("HEAD", "/tasks/1") == static_cast<int>(any));
  CHECK(route("POST", "/tasks/1/cancel") == static_cast<int>(cancel));
  CHECK(route("GET", "/") == static_cast<int>(root));
  CHECK(route("GET", "") == static_cast<int>(root));
  CHECK(route("GET", "/files/a/b") == static_cast<int>(files));
  CHECK(route("GET", "/files/") == static_cast<int>(files));
  CHECK(route("GET", "/exact") == static_cast<int>(exact));
  CHECK(route("GET", "/exact/") == -1);
  CHECK(route("POST", "/tasks/1") == -1);
  CHECK(route("GET", "/tasks//status") == -1);
  CHECK(route("GET", "/tasks/1/2/status") == -1);
  CHECK(route("GET", "//tasks/count") == -1);
  CHECK(route("GET", "/Tasks/count") == -1);
}

TEST_CASE("parameters are decoded, and an encoded slash separates nothing") {
  Router router;
  router.add("GET", "/tasks/:task_id/steps/:step");
  router.add("GET", "/files/*path");
  const auto match = router.match("GET", "/tasks/a%2Fb%zz/steps/7");
  REQUIRE(match);
  CHECK(match->params.get("task_id") == "a/b%zz");
  CHECK(match->params.get("step") == "7");
  CHECK(match->params.get("other").empty());
  CHECK(match->params.size() == 2);
  CHECK(router.match("GET", "/files/a/b%20c")->params.get("path") == "a/b c");
}

TEST_CASE("literals win over parameters wherever they were added") {
  Router router;
  const auto parameter = router.add("GET", "/tasks/:id");
  const auto literal = router.add("GET", "/tasks/count");
  CHECK(router.match("GET", "/tasks/count")->route == literal);
  CHECK(router.match("GET", "/tasks/1")->route == parameter);
}

TEST_CASE("the other methods of a path are known") {
  Router router;
  router.add("GET", "/tasks/:id");
  router.add("DELETE", "/tasks/:id");
  CHECK(router.methods_for("/tasks/1") == std::vector<std::string>{"GET", "DELETE"});
  CHECK(router.methods_for("/other").empty());
}
