#include "shared/api/console/list_query.h"

#include <catch2/catch.hpp>

using namespace dynflow;
using namespace dynflow::api::console;
using persistence::PlanOrder;
using persistence::PlanResult;
using persistence::PlanState;

namespace {

Result<ListQuery> read(std::string query) {
  http::Request request;
  request.query = std::move(query);
  return read_list_query(request);
}

}  // namespace

TEST_CASE("a list without a filter is that of what has not stopped") {
  for (const char* query : {"", "per_page=10", "order_by=label"}) {
    const auto asked = read(query);
    REQUIRE(asked.ok());
    REQUIRE(asked->filter.states);
    CHECK(asked->filter.states->size() == 6);
    CHECK(asked->order.limit == (std::string(query) == "per_page=10" ? 10 : kPlansOnPage));
  }
  CHECK_FALSE(read("filter=1")->filter.states);
  CHECK_FALSE(read("result=error")->filter.states);
  CHECK(read("")->order.is_descending);  // newest first
}

TEST_CASE("filters, order and place are read, also as upstream spells them") {
  const auto asked = read("filters%5Bstate%5D%5B%5D=running&state=paused&result=error&label=a%26b&label=&id=x&caller=p&caller_action=2"
                          "&order_by=started_at&desc=true&after=12i345&per_page=7&live=1");
  REQUIRE(asked.ok());
  CHECK(asked->filter.states == std::vector{PlanState::kPaused, PlanState::kRunning});
  CHECK(asked->filter.results == std::vector{PlanResult::kError});
  CHECK(asked->filter.labels == std::vector<std::string>{"a&b"});
  CHECK(asked->filter.ids == std::vector<std::string>{"x"});
  CHECK(asked->filter.caller_plan_id == "p");
  CHECK(asked->filter.caller_action_id == 2);
  CHECK(asked->order.column == PlanOrder::Column::kStartedAt);
  CHECK(asked->order.is_descending);
  CHECK(asked->order.limit == 7);
  CHECK(asked->order.after == persistence::PlanPlace{std::int64_t{345}, 12});
  CHECK(asked->is_live);
  // The query that is made of it means the same.
  CHECK(query_of(*asked) == "?filter=1&state=paused&state=running&result=error&label=a%26b&id=x&caller=p&caller_action=2&order_by=started_at"
                            "&desc=true&per_page=7&after=12i345&live=1");
  for (const char* query : {"?filter=1", "?filter=1&order_by=label&before=3tx%20y", "?filter=1&order_by=real_time&desc=true&after=9d0.1",
                            "?filter=1&order_by=ended_at&after=4", "?filter=1&after=4"}) {
    const auto again = read(std::string(query).substr(1));
    REQUIRE(again.ok());
    CHECK(query_of(*again) == query);
  }
}

TEST_CASE("what a list cannot be asked for is said") {
  for (const char* query : {"state=bogus", "result=bogus", "order_by=input", "per_page=0", "per_page=1001", "per_page=-1", "per_page=x", "after=x",
                            "after=4x5", "after=4i", "after=4i5", "order_by=label&after=4d0.5", "after=1&before=2", "caller_action=x",
                            "filters[state]=bogus", "after=99999999999999999999"}) {
    CAPTURE(query);
    const auto asked = read(query);
    CHECK((!asked.ok() && asked.error().code() == Code::kInvalid));
  }
}
