// Which header fields pass through the relay, in both directions (RFC 9110 section 7.6.1, RFC 7239, RFC 9440).
//
// Threads: values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/http/message.h"

namespace dynflow::proxy {

inline constexpr std::string_view kMount = "/dynflow";

// Where the core is: `core_url` taken apart.
struct CoreUrl {
  bool is_tls = false;
  std::string host;       // without the brackets of an IPv6 address
  std::uint16_t port = 0;
  std::string base_path;  // "" or "/core": without a slash at the end

  // "http://127.0.0.1:8008": for messages and for comparing.
  std::string origin() const;
  // "127.0.0.1:8008": for the Host field.
  std::string authority() const;
};
// Errors: kInvalid with what is wrong.
Result<CoreUrl> parse_core_url(std::string_view url);

// The request target on the core's side: the client's, byte for byte, without one leading mount point. "/dynflow" is
// "/". Nothing when the target does not spell the mount point plainly ("/%64ynflow/x"): two spellings of one path
// would be two paths to check.
std::optional<std::string> core_target(std::string_view target, std::string_view base_path, std::string_view mount = kMount);

// The fields for the core. Gone: hop-by-hop fields, those that Connection names (but Authorization), framing, and everything in which a
// client could claim to be somebody (Client-Cert, Forwarded, X-Forwarded-*, X-Real-IP, also spelled with underscores,
// which CGI-like servers read as the same). Set: X-Request-Id, X-Session-Id, Forwarded, X-Forwarded-{Proto,Host,Port,
// Prefix}, X-Real-IP, Client-Cert of the verified peer, and `X-Forwarded-For` = the client's *Host field*: cores read
// it as the host for callbacks (plugin 0.3.1, lib/smart_proxy_dynflow/callback.rb).
http::Headers headers_for_core(const http::Request& request, const CoreUrl& core, std::string_view mount = kMount);

// The fields for the client: without hop-by-hop, framing and the core's own Server and Date; Location and
// Content-Location that point at the core point below the mount point. `client_host` is the request's Host field.
http::Headers headers_for_client(const http::Headers& from_core, const CoreUrl& core, std::string_view client_host,
                                 std::string_view mount = kMount);

// A reference that the core made, as the client can use it. Foreign ones stay as they are.
std::string outside_location(std::string_view location, const CoreUrl& core, std::string_view client_host,
                             std::string_view mount = kMount);

// ":MII...:", a byte sequence of RFC 8941 with the certificate's DER inside.
std::string client_cert_field(std::string_view der);

}  // namespace dynflow::proxy
