// The one door of the dynflow API that opens without a client certificate: update and done of a task, with the task's
// one-time password. Who holds the passwords (the core) compares them; the relay only decides whether a request may
// pass to where they are compared.
//
// Threads: pure functions; refusal_at_the_front() blocks as Authorization does.
#pragma once

#include <memory>
#include <string_view>

#include "proxy/host/authorization.h"
#include "shared/http/message.h"

namespace dynflow::proxy {

enum class TokenVerdict {
  kNotOffered,  // no such route, or no Authorization field: the host's authorisation decides
  kPlausible,   // Basic <task id>:<something>: the core compares it
  kHopeless,    // a field that no core may accept: refused here
};

// `core_target` is the request target that the core will see, undecoded. Only its plain spelling counts
// (/tasks/<id>/update, /tasks/<id>/done, POST): what is spelled with percent escapes needs a certificate, so that no
// other reading of the path on the core's side opens the door.
//
// Ruby cores accept a field without a password for every task that has none (nil equals nil; plugin 0.9.4,
// lib/smart_proxy_dynflow/helpers.rb:13-28), so such fields are hopeless here.
TokenVerdict judge_token(const http::Request& request, std::string_view core_target);

// What the proxy says before any core is asked: null for a request that shows a plausible token or that the host's rules
// allow, else the refusal. `path` for its text, `core_target` as above.
std::unique_ptr<http::Response> refusal_at_the_front(const Authorization& authorization, const http::Request& request,
                                                     std::string_view path, std::string_view core_target);

// 403 {"error":"Invalid username or password supplied"}, as the Ruby plugin answers.
http::Response token_refusal();

}  // namespace dynflow::proxy
