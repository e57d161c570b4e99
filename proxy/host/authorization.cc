#include "proxy/host/authorization.h"

#include <fmt/format.h>

#include <algorithm>

#include "shared/base/letter_case.h"
#include "shared/log/log.h"
#include "shared/net/peer_certificate.h"

namespace dynflow::proxy {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool is_excluded(std::string_view parameters) {
  const std::string text = lower_case(parameters);
  const auto q = text.find("q=0");
  if (q == std::string::npos) return false;
  return text.find_first_not_of("0.", q + 2) == std::string::npos;
}

}  // namespace

Authorization::Authorization(TrustPolicy policy, std::unique_ptr<const HostNames> names)
    : rules_(make_rules(std::move(policy), std::move(names))) {}

std::shared_ptr<const Authorization::Rules> Authorization::make_rules(TrustPolicy policy, std::unique_ptr<const HostNames> names) {
  if (policy.trusted_hosts) {
    for (std::string& name : *policy.trusted_hosts) name = lower_case(name);
  }
  return std::make_shared<const Rules>(Rules{std::move(policy), std::move(names)});
}

void Authorization::replace(TrustPolicy policy, std::unique_ptr<const HostNames> names) {
  auto fresh = make_rules(std::move(policy), std::move(names));
  const std::lock_guard lock(mutex_);
  rules_.swap(fresh);
}

std::shared_ptr<const Authorization::Rules> Authorization::rules() const {
  const std::lock_guard lock(mutex_);
  return rules_;
}

std::optional<std::string> Authorization::check(const http::Request& request, std::string_view path) const {
  if (auto refused = check_trusted_hosts(request, path)) return refused;
  if (!request.peer.is_tls) {
    log::debug({.request_id = request.request_id}, "require_ssl_client_verification: skipping, non-HTTPS request");
    return std::nullopt;
  }
  if (!request.peer.certificate) return "No client SSL certificate supplied";
  return std::nullopt;
}

std::optional<std::string> Authorization::check_trusted_hosts(const http::Request& request,
                                                              std::string_view path) const {
  const std::shared_ptr<const Rules> now = rules();
  if (!now->policy.trusted_hosts) return std::nullopt;
  const std::vector<std::string>& trusted = *now->policy.trusted_hosts;
  log::debug({.request_id = request.request_id}, "verifying remote client {} against trusted_hosts [{}]",
             request.peer.address, fmt::join(trusted, ", "));
  const auto name = request.peer.is_tls ? name_in_certificate(request) : name_of_peer(request, *now);
  if (!name) return name.error().message();
  const std::string lowered = lower_case(*name);
  if (std::find(trusted.begin(), trusted.end(), lowered) != trusted.end()) return std::nullopt;
  return fmt::format("Untrusted client {} attempted to access {}. Check :trusted_hosts: in settings.yml", lowered,
                     path.empty() ? "/" : path);
}

Result<std::string> Authorization::name_in_certificate(const http::Request& request) {
  if (!request.peer.certificate) return Error(Code::kForbidden, "could not read client cert from environment");
  const auto& name = request.peer.certificate->common_name();
  if (!name || name->empty()) return Error(Code::kForbidden, "could not read CN from the client certificate");
  return *name;
}

Result<std::string> Authorization::name_of_peer(const http::Request& request, const Rules& rules) {
  const std::string& address = request.peer.address;
  if (address.empty()) return Error(Code::kForbidden, "could not get remote address from environment");
  // A link-local peer has no name in any DNS; it is trusted only when its address itself is listed.
  if (address.find('%') != std::string::npos) return address;

  const auto name = rules.names->name_of(address);
  if (!name) {
    return Error(Code::kForbidden, fmt::format("unable to resolve hostname for ip address {}\n\n{}", address,
                                               name.error().message()));
  }
  if (!rules.policy.forward_verify) return *name;
  const auto addresses = rules.names->addresses_of(*name);
  if (!addresses) {
    return Error(Code::kForbidden, fmt::format("could not forward verify the remote hostname - {} ({})\n\n{}", *name,
                                               address, addresses.error().message()));
  }
  if (std::find(addresses->begin(), addresses->end(), address) == addresses->end()) {
    return Error(Code::kForbidden,
                 fmt::format("untrusted client has no matching forward DNS lookup - {} ({})", *name, address));
  }
  return *name;
}

std::unique_ptr<http::Response> Authorization::refusal(const http::Request& request, std::string_view path) const {
  const auto message = check(request, path);
  if (!message) return nullptr;
  if (const auto held_back = refusals_.admit()) {
    log::error({.request_id = request.request_id}, "{}{}", *message, log::held_back_note(*held_back));
  }
  return std::make_unique<http::Response>(halt_response(request, 403, *message));
}

http::Response halt_response(const http::Request& request, int status, std::string_view message) {
  return http::text_response(status, std::string(message),
                             accepts_json(request) ? "application/json" : "text/html;charset=utf-8");
}

bool accepts_json(const http::Request& request) {
  const auto accept = request.headers.get("Accept");
  if (!accept || trimmed(*accept).empty()) return true;
  std::string_view rest = *accept;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    const std::string_view entry = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    const auto semicolon = entry.find(';');
    const std::string type = lower_case(trimmed(entry.substr(0, semicolon)));
    const bool matches = type == "*/*" || type == "application/*" || type == "application/json";
    if (!matches) continue;
    if (semicolon == std::string_view::npos || !is_excluded(entry.substr(semicolon + 1))) return true;
  }
  return false;
}

}  // namespace dynflow::proxy
