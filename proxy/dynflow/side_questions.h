// What a hand-over asks the two sides, over the routes that every core has; so it works with a core of this program and
// with the Ruby ones alike.
//
// Threads: pure functions of their backends; they block up to the deadline.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/dynflow/backend.h"
#include "shared/base/deadline.h"
#include "shared/base/result.h"
#include "shared/json/json_fwd.h"

namespace dynflow::proxy {

// A request of ours: no client behind it.
http::Request question(std::string method, std::string_view path, std::string body, Deadline deadline);
// The whole body of an answer, however it comes. Errors: those of its stream; kTooLarge.
Result<std::string> take_body(http::Response& response);
// What a side answered, which is larger than what anybody may ask. Errors: as json::parse.
Result<Json> parse_answer(std::string_view text);
// {"error":...}; 503 with Retry-After.
http::Response refuse_for_now(std::string_view message, std::chrono::seconds retry_after = std::chrono::seconds(5));

// The states of those among `ids` that the side knows. Errors: kUnavailable when it did not tell.
Result<std::map<std::string, std::string>> known_tasks(Backend& side, const std::vector<std::string>& ids, Deadline deadline);

struct Unfinished {
  std::int64_t tasks = 0;      // neither stopped nor paused: whoever waits for a paused one waits for ever
  std::int64_t callbacks = 0;  // undelivered; cores of the Ruby systems count them as tasks
  std::string callback_error;  // why they wait; empty: not known
  std::vector<std::string> task_ids;  // some of them
  bool lists_ids = false;      // false: that core cannot name them, and task_ids is empty
  bool is_none() const { return tasks == 0 && callbacks == 0; }
};
// Errors: kUnavailable when the side did not tell. `limit`: of the ids.
Result<Unfinished> unfinished_tasks(Backend& side, std::size_t limit, Deadline deadline);

// Errors: kUnavailable. `state` as in the query; "all" for all.
Result<std::int64_t> count_tasks(Backend& side, std::string_view state, Deadline deadline);

// The ones among `ids` that are neither stopped nor paused; for sides that do not list ids. Errors: as above.
Result<std::vector<std::string>> still_unfinished(Backend& side, const std::vector<std::string>& ids, Deadline deadline);

}  // namespace dynflow::proxy
