#include "shared/http/site_guard.h"

#include "shared/log/log.h"

namespace dynflow::http {
namespace {

// "https://proxy.example.com:9090" without what stands before the host.
std::string_view authority_of(std::string_view origin) {
  const auto scheme_end = origin.find("://");
  return scheme_end == std::string_view::npos ? std::string_view() : origin.substr(scheme_end + 3);
}

bool asks_for_a_change(const Request& request) { return request.method != "GET" && request.method != "HEAD" && request.method != "OPTIONS"; }

}  // namespace

bool is_from_another_site(const Request& request) {
  if (const auto site = request.headers.get("Sec-Fetch-Site")) return *site != "same-origin" && *site != "none";
  const auto origin = request.headers.get("Origin");
  if (!origin) return false;
  const std::string_view authority = authority_of(*origin);
  return authority.empty() || (authority != request.headers.get("Host") && authority != request.headers.get("X-Forwarded-Host"));
}

std::unique_ptr<Response> SiteGuard::refusal(const Request& request) const {
  if (!asks_for_a_change(request) || !is_from_another_site(request)) return nullptr;
  if (const auto held_back = refusals_.admit()) {
    log::warn({.request_id = request.request_id}, "refused {} {} of {}: a page of another site asks for it{}", request.method, request.path,
              describe(request.peer), log::held_back_note(*held_back));
  }
  return std::make_unique<Response>(error_response(403, kOtherSite));
}

}  // namespace dynflow::http
