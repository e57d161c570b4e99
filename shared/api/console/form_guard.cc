#include "shared/api/console/form_guard.h"

#include <fmt/format.h>

#include <charconv>
#include <vector>

#include "shared/base/ids.h"
#include "shared/http/site_guard.h"
#include "shared/net/digest.h"
#include "shared/net/peer_certificate.h"

namespace dynflow::api::console {
namespace {

constexpr std::string_view kCookie = "dynflow_console";
constexpr std::size_t kCookieBytes = 16;
// What the relay of the Ruby proxy sends for every client (smart_proxy_dynflow v0.3.1, lib/smart_proxy_dynflow/callback.rb).
constexpr std::string_view kRubyRelayAccept = "*/*, application/json,version=2";

bool is_hex(std::string_view text) { return text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }

// The certificate that the request is known by.
std::string certificate_session(const http::Request& request) {
  return request.peer.certificate ? "certificate " + net::sha256_hex(request.peer.certificate->der()) : std::string();
}

// Our cookies, of which there may be several: one for each path that the console was opened at.
std::vector<std::string> cookies_of(const http::Request& request) {
  std::vector<std::string> found;
  for (const auto& [name, value] : request.headers) {
    if (name.size() != 6 || (name != "Cookie" && name != "cookie")) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      std::string_view pair = rest.substr(0, rest.find(';'));
      rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
      pair.remove_prefix(std::min(pair.size(), pair.find_first_not_of(' ')));
      if (!pair.starts_with(kCookie) || pair.substr(kCookie.size(), 1) != "=") continue;
      const std::string_view text = pair.substr(kCookie.size() + 1);
      if (text.size() == 2 * kCookieBytes && is_hex(text)) found.push_back("cookie " + std::string(text));
    }
  }
  return found;
}

bool is_over_tls(const http::Request& request) {
  return request.peer.is_tls || request.headers.get("X-Forwarded-Proto") == "https";
}

}  // namespace

FormGuard::FormGuard(const Clock& clock) : clock_(clock), key_(random_hex(32)) {}

std::string FormGuard::sign(std::string_view session, std::string_view time) const {
  return net::hmac_sha256_hex(key_.reveal(), fmt::format("{}\n{}", time, session));
}

FormGuard::Ticket FormGuard::ticket(const http::Request& request) const {
  Ticket ticket;
  std::string session = certificate_session(request);
  if (session.empty()) {
    if (const auto cookies = cookies_of(request); !cookies.empty()) {
      session = cookies.front();
    } else {
      const std::string fresh = random_hex(kCookieBytes);
      session = "cookie " + fresh;
      ticket.set_cookie = fmt::format("{}={}; HttpOnly; SameSite=Strict{}", kCookie, fresh, is_over_tls(request) ? "; Secure" : "");
    }
  }
  const std::string time =
      fmt::format("{:x}", std::chrono::duration_cast<std::chrono::seconds>(clock_.now().time_since_epoch()).count());
  ticket.token = fmt::format("{}-{}", time, sign(session, time));
  return ticket;
}

bool FormGuard::is_genuine(std::string_view token, std::string_view session) const {
  const std::string_view time = token.substr(0, token.find('-'));
  return time.size() < token.size() && equal_in_constant_time(token.substr(time.size() + 1), sign(session, time));
}

std::optional<std::string> FormGuard::objection(const http::Request& request, std::string_view token) const {
  if (http::is_from_another_site(request)) return std::string(http::kOtherSite);
  const auto type = request.headers.get("Content-Type");
  const bool is_json = type && type->substr(0, type->find(';')) == "application/json";
  // That relay calls everything JSON, a form of any page too, and keeps back where it comes from.
  if (is_json && request.headers.get("Accept") != kRubyRelayAccept) return std::nullopt;

  const std::string certificate = certificate_session(request);
  std::vector<std::string> sessions = certificate.empty() ? cookies_of(request) : std::vector<std::string>{certificate};
  bool is_ours = false;
  for (const std::string& session : sessions) is_ours = is_genuine(token, session) || is_ours;
  if (!is_ours) return "The form is not one of this console's, or the program was restarted since; load the page again";
  std::int64_t seconds = 0;
  std::from_chars(token.data(), token.data() + token.find('-'), seconds, 16);
  if (clock_.now() - Time(std::chrono::seconds(seconds)) > kTokenAge) return "The page is too old; load it again";
  return std::nullopt;
}

}  // namespace dynflow::api::console
