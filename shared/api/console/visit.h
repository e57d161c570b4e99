// One request to the console, as its pages see it.
//
// Threads: a value; the request outlives it.
#pragma once

#include <string>
#include <string_view>

#include "shared/api/console/links.h"
#include "shared/http/message.h"

namespace dynflow::api::console {

struct Visit {
  const http::Request& request;
  Links links;
  bool wants_json = false;
  std::string token;  // for forms: form_guard.h

  // The last value of a query parameter, empty when there is none.
  std::string asked(std::string_view name) const {
    auto values = request.query_values(name);
    return values.empty() ? std::string() : std::move(values.back());
  }
};

// Whether the client rather takes JSON than a page. "*/*" takes a page, unless JSON stands before it.
bool prefers_json(const http::Request& request);

}  // namespace dynflow::api::console
