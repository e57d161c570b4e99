// Headers and bodies of requests in the log, for who looks for a mistake: FOREMAN_PROXY_TRACE in the environment, as with the Ruby proxy
// (smart-proxy 3.11, lib/proxy/log.rb:103-133). Unlike there, what is secret is hidden.
//
// Threads: a constant value; tell() reads the request's body and blocks as whoever reads it.
#pragma once

#include <cstddef>
#include <string>

#include "shared/base/result.h"
#include "shared/http/message.h"

namespace dynflow::proxy {

class RequestTrace {
 public:
  static constexpr std::size_t kShortBody = 2000;

  RequestTrace() = default;  // off
  // Bodies of `short_body` bytes and more are not shown.
  explicit RequestTrace(std::size_t short_body) : is_on_(true), short_body_(short_body) {}
  // `trace`, `max_body_size`: FOREMAN_PROXY_TRACE and FOREMAN_LOG_MAX_BODY_SIZE; null: not set. Errors: kInvalid, a size that is no number.
  static Result<RequestTrace> from(const char* trace, const char* max_body_size);

  bool is_on() const { return is_on_; }

  // At the level DEBUG: "Headers: {"HTTP_ACCEPT"=>"*/*"}" and, when there is one, "Body: ...": of JSON and plain text that are short, else
  // "[filtered out]". The request stays as it was.
  void tell(http::Request& request) const;

 private:
  bool is_on_ = false;
  std::size_t short_body_ = kShortBody;
};

// The fields as Ruby shows them, without the values of those that say who somebody is.
std::string shown_headers(const http::Headers& headers);
// The body as it may be shown.
std::string shown_body(std::string_view content_type, std::string_view body);

}  // namespace dynflow::proxy
