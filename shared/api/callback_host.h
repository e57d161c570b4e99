// Where hosts reach this proxy, as far as a launch request tells.
//
// Threads: pure function.
#pragma once

#include <string>

#include "shared/http/message.h"
#include "shared/json/json_fwd.h"

namespace dynflow::api {

// The proxy_url of the first entry of `input`, else scheme://host of the request. A relay puts the host that its client asked for
// into X-Forwarded-For, and we read it there (smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/api.rb:84-92). `input` is one entry
// or entries by id; the order of its keys does not matter.
std::string callback_host(const Json& input, const http::Request& request);

}  // namespace dynflow::api
