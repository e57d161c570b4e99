// Keeps pages of other sites from giving orders: a browser sends its user's certificate with whatever a page makes it send.
//
// Browsers say where a request comes from, in Sec-Fetch-Site or, older ones, in Origin; no page can make them say something else. Foreman,
// the Ruby proxies, curl and the scripts of jobs say nothing about it, and are not concerned.
//
// Threads: all may be called from any thread.
#pragma once

#include <chrono>
#include <memory>

#include "shared/http/message.h"
#include "shared/log/rate_limit.h"

namespace dynflow::http {

// What a refusal says.
inline constexpr std::string_view kOtherSite = "The request comes from a page of another site; nothing was changed";

// Whether a browser says that its request was caused by another site. We are whatever Host names or, behind a relay, X-Forwarded-Host: a page that
// would add that field has to ask us first, and we allow no site anything.
bool is_from_another_site(const Request& request);

class SiteGuard {
 public:
  // The answer to a request that may not change anything: a logged 403; null when it may, or asks for no change (GET, HEAD, OPTIONS).
  std::unique_ptr<Response> refusal(const Request& request) const;

 private:
  mutable log::RateLimit refusals_{10, std::chrono::minutes(1)};
};

}  // namespace dynflow::http
