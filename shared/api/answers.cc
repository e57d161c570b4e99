#include "shared/api/answers.h"

#include <utility>

namespace dynflow::api {
namespace {

http::Response safe(http::Response response) {
  response.headers.set("X-Content-Type-Options", "nosniff");
  return response;
}

}  // namespace

http::Response json_answer(std::string body, int status) {
  return safe(http::text_response(status, std::move(body), "application/json"));
}

http::Response error_answer(int status, std::string_view message) {
  http::Response response = safe(http::error_response(status, message));
  if (status == 503) response.headers.set("Retry-After", "2");
  return response;
}

http::Response error_answer(const Error& error) { return error_answer(http_status(error.code()), error.message()); }

http::Response not_found_answer() {
  http::Response response = json_answer("Requested url was not found", 404);
  response.headers.set("X-Cascade", "pass");
  return response;
}

}  // namespace dynflow::api
