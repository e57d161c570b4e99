#include "proxy/dynflow/relay_headers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "shared/base/base64.h"
#include "shared/base/letter_case.h"
#include "shared/net/peer_certificate.h"

namespace dynflow::proxy {
namespace {

// Of one connection only (RFC 9110 section 7.6.1), plus what frames a body and Expect, which the connection layer
// answers itself.
constexpr std::array<std::string_view, 11> kHopByHop{
    "connection", "keep-alive",        "proxy-connection", "proxy-authenticate", "proxy-authorization", "te",
    "trailer",    "transfer-encoding", "upgrade",          "content-length",     "expect"};

// In what a client could claim to be somebody.
constexpr std::array<std::string_view, 8> kIdentity{"forwarded",        "client-cert", "client-cert-chain", "x-real-ip",
                                                    "x-request-id",     "x-session-id", "remote-addr",      "host"};
constexpr std::array<std::string_view, 4> kIdentityPrefixes{"x-forwarded-", "ssl-", "x-ssl-", "x-client-cert"};

// As names compare: in lower case, with hyphens for underscores.
char normal(char c) { return c == '_' ? '-' : lower_case(c); }

bool is_same(std::string_view name, std::string_view normal_name) {
  return name.size() == normal_name.size() && std::equal(name.begin(), name.end(), normal_name.begin(), [](char a, char b) { return normal(a) == b; });
}

template <class List>
bool contains(const List& list, std::string_view name) {
  return std::any_of(list.begin(), list.end(), [&](std::string_view one) { return is_same(name, one); });
}

bool claims_identity(std::string_view name) {
  return contains(kIdentity, name) || std::any_of(kIdentityPrefixes.begin(), kIdentityPrefixes.end(), [&](std::string_view prefix) {
           return name.size() >= prefix.size() && is_same(name.substr(0, prefix.size()), prefix);
         });
}

// What the Connection fields name, as names compare.
std::vector<std::string> named_by_connection(const http::Headers& headers) {
  std::vector<std::string> names;
  for (const auto& [name, value] : headers) {
    if (!is_same(name, "connection")) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const auto comma = rest.find(',');
      std::string_view token = rest.substr(0, comma);
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
      const auto first = token.find_first_not_of(" \t");
      if (first == std::string_view::npos) continue;
      token = token.substr(first, token.find_last_not_of(" \t") - first + 1);
      std::string& named = names.emplace_back(token);
      std::transform(named.begin(), named.end(), named.begin(), normal);
    }
  }
  return names;
}

// A value for Forwarded: always quoted, so that brackets and colons may stand in it.
void add_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

// RFC 7239 section 6: IPv6 addresses in brackets, no zone, "unknown" when there is none.
std::string node_of(std::string_view address) {
  if (address.empty()) return "unknown";
  if (address.find(':') == std::string_view::npos) return std::string(address);
  return fmt::format("[{}]", address.substr(0, address.find('%')));
}

// The port behind the last colon of "name:port" or "[::1]:port".
std::string_view port_of(std::string_view authority) {
  const auto colon = authority.rfind(':');
  if (colon == std::string_view::npos || authority.find(']', colon) != std::string_view::npos) return {};
  return authority.substr(colon + 1);
}

bool is_below(std::string_view mount, std::string_view path) {
  if (path.substr(0, mount.size()) != mount) return false;
  return path.size() == mount.size() || path[mount.size()] == '/' || path[mount.size()] == '?';
}

}  // namespace

std::string CoreUrl::authority() const {
  // Needed for every request: a format string would cost more than all of it.
  const std::string number = std::to_string(port);
  return host.find(':') == std::string::npos ? host + ":" + number : "[" + host + "]:" + number;
}
std::string CoreUrl::origin() const { return (is_tls ? "https://" : "http://") + authority(); }

Result<CoreUrl> parse_core_url(std::string_view url) {
  const auto bad = [&](std::string_view why) {
    return Error(Code::kInvalid, fmt::format("expected a URL like http://127.0.0.1:8008, not \"{}\": {}", url, why));
  };
  CoreUrl out;
  const auto scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return bad("it has no scheme");
  const std::string scheme = lower_case(url.substr(0, scheme_end));
  if (scheme != "http" && scheme != "https") return bad("only http and https are possible");
  out.is_tls = scheme == "https";

  std::string_view rest = url.substr(scheme_end + 3);
  if (rest.find_first_of("?#@ \t\r\n") != std::string_view::npos) return bad("it may have no user, query or fragment");
  const auto slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  std::string_view path = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  out.base_path = path;

  const std::string_view port = port_of(authority);
  if (authority.size() > port.size() && authority[authority.size() - port.size() - 1] == ':') {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (error != std::errc() || end != port.data() + port.size() || out.port == 0) return bad("the port is wrong");
    authority.remove_suffix(port.size() + 1);
  } else {
    out.port = out.is_tls ? 443 : 80;
  }
  if (authority.size() >= 2 && authority.front() == '[' && authority.back() == ']') {
    authority = authority.substr(1, authority.size() - 2);
  }
  if (authority.empty()) return bad("it names no host");
  out.host = authority;
  return out;
}

std::optional<std::string> core_target(std::string_view target, std::string_view base_path, std::string_view mount) {
  if (!is_below(mount, target)) return std::nullopt;
  std::string_view rest = target.substr(mount.size());
  std::string out(base_path);
  if (rest.empty() || rest.front() == '?') out += '/';
  out += rest;
  return out;
}

http::Headers headers_for_core(const http::Request& request, const CoreUrl& core, std::string_view mount) {
  constexpr std::size_t kOurs = 11;
  http::Headers out;
  out.reserve(request.headers.size() + kOurs);
  out.add("Host", core.authority());
  const auto named = named_by_connection(request.headers);
  for (const auto& [name, value] : request.headers) {
    if (contains(kHopByHop, name) || claims_identity(name)) continue;
    // A password that let the request in (task_token.h) has to reach who compares it: without it Ruby's cores take update and done of
    // everybody, and plain http ones of ours, too.
    if (contains(named, name) && !is_same(name, "authorization")) continue;
    out.add(name, value);
  }

  out.add("X-Request-Id", request.request_id);
  out.add("X-Session-Id", request.session_id);
  const std::string_view named_host = request.headers.get("Host").value_or("");
  const std::string host(named_host.empty() ? request.local_address : named_host);
  // The proxy's own questions came from nowhere. An empty X-Forwarded-Host is a 400 of WEBrick, which makes its URI of it.
  if (host.empty()) return out;
  const std::string_view scheme = request.peer.is_tls ? "https" : "http";
  std::string_view port = port_of(host);
  if (port.empty()) port = request.peer.is_tls ? "443" : "80";
  std::string forwarded = "for=";
  add_quoted(forwarded, node_of(request.peer.address));
  forwarded += ";host=";
  add_quoted(forwarded, host);
  forwarded.append(";proto=").append(scheme);
  out.add("Forwarded", std::move(forwarded));
  out.add("X-Forwarded-For", host);
  out.add("X-Forwarded-Proto", std::string(scheme));
  out.add("X-Forwarded-Host", host);
  out.add("X-Forwarded-Port", std::string(port));
  out.add("X-Forwarded-Prefix", std::string(mount));
  out.add("X-Real-IP", request.peer.address);
  if (request.peer.certificate) out.add("Client-Cert", client_cert_field(request.peer.certificate->der()));
  return out;
}

http::Headers headers_for_client(const http::Headers& from_core, const CoreUrl& core, std::string_view client_host,
                                 std::string_view mount) {
  http::Headers out;
  out.reserve(from_core.size());
  const auto named = named_by_connection(from_core);
  for (const auto& [name, value] : from_core) {
    if (contains(kHopByHop, name) || is_same(name, "server") || is_same(name, "date") || contains(named, name)) continue;
    const bool is_location = is_same(name, "location") || is_same(name, "content-location");
    out.add(name, is_location ? outside_location(value, core, client_host, mount) : value);
  }
  return out;
}

std::string outside_location(std::string_view location, const CoreUrl& core, std::string_view client_host,
                             std::string_view mount) {
  std::string_view path = location;
  const auto scheme_end = location.find("://");
  if (scheme_end != std::string_view::npos) {
    const std::string_view rest = location.substr(scheme_end + 3);
    const auto path_start = rest.find_first_of("/?#");
    const std::string authority = lower_case(rest.substr(0, path_start));
    // The core names itself, or (from X-Forwarded-Host) us. Its default port may be left out.
    const bool is_ours = authority == lower_case(core.authority()) || authority == lower_case(client_host) ||
                         (port_of(authority).empty() && authority == lower_case(core.host));
    if (!is_ours) return std::string(location);
    path = path_start == std::string_view::npos ? std::string_view("/") : rest.substr(path_start);
  } else if (location.substr(0, 2) == "//") {
    return std::string(location);  // another host
  }
  if (path.empty() || path.front() != '/') return std::string(location);  // relative to the client's own URL
  if (is_below(mount, path)) return std::string(path);
  const std::string& base = core.base_path;
  if (!base.empty() && path.substr(0, base.size()) == base && path.substr(base.size(), 1) == "/") {
    path.remove_prefix(base.size());
  }
  return std::string(mount) + std::string(path);
}

std::string client_cert_field(std::string_view der) { return fmt::format(":{}:", base64_encode(der)); }

}  // namespace dynflow::proxy
