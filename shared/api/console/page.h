// What all pages have in common: their frame, their look, and the fields that keep browsers from running or loading anything.
//
// Threads: pure functions.
#pragma once

#include <string>

#include "shared/api/console/html.h"
#include "shared/api/console/visit.h"
#include "shared/base/result.h"
#include "shared/http/message.h"
#include "shared/json/json_fwd.h"

namespace dynflow::api::console {

struct Page {
  std::string title;
  std::string notice;        // of what was done before; empty: none
  std::string refresh_link;  // shown again from there every few seconds; empty: not
  Html body;
};

http::Response page_answer(const Visit& visit, const Page& page, int status = 200);
http::Response document_answer(const Json& document, int status = 200);
// A page or {"error":...}, whichever the client takes.
http::Response failure_answer(const Visit& visit, int status, const std::string& message);
http::Response failure_answer(const Visit& visit, const Error& error);
// On to `link`, relative to the page that was asked for.
http::Response redirect_answer(const std::string& link);

}  // namespace dynflow::api::console
