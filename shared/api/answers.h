// The forms of answers that upstream's routes give.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "shared/http/message.h"

namespace dynflow::api {

// `body` is JSON text.
http::Response json_answer(std::string body, int status = 200);
// {"error":...}; 503 with Retry-After.
http::Response error_answer(int status, std::string_view message);
http::Response error_answer(const Error& error);
// What every unknown path and method gets: words under a JSON type.
http::Response not_found_answer();

}  // namespace dynflow::api
