// What passes the relay: the first line is a target, the second a Location of the core, the others fields "name: value".
#include <strings.h>

#include "proxy/dynflow/relay_headers.h"
#include "shared/http/head.h"
#include "tests/fuzz/target.h"

using namespace dynflow;

namespace {

std::string_view next_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return line;
}

}  // namespace

void fuzz(std::string_view bytes) {
  const std::string_view target = next_line(bytes);
  const std::string_view location = next_line(bytes);
  const auto core = proxy::parse_core_url("http://127.0.0.1:8008/core");
  fuzz_check(static_cast<bool>(core));
  if (const auto url = proxy::parse_core_url(location)) fuzz_check(!url->host.empty() && url->port != 0);
  if (const auto inside = proxy::core_target(target, core->base_path)) {
    fuzz_check(target.substr(0, proxy::kMount.size()) == proxy::kMount);
    fuzz_check(inside->rfind("/core/", 0) == 0);
  }
  proxy::outside_location(location, *core, "proxy.example.com:8443");

  http::Request request;
  request.peer.address = "192.0.2.7";
  request.local_address = "192.0.2.1:8443";
  request.request_id = "r1";
  while (!bytes.empty()) {
    const std::string_view line = next_line(bytes);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = line.substr(colon + 1);
    if (http::is_token(name) && http::is_clean_value(value)) request.headers.add(std::string(name), std::string(value));
  }
  int hosts = 0;
  int addresses = 0;
  for (const auto& [name, value] : proxy::headers_for_core(request, *core)) {
    fuzz_check(http::is_token(name) && http::is_clean_value(value));
    // Without a verified certificate nobody is anybody.
    fuzz_check(strcasecmp(name.c_str(), "client-cert") != 0 && strcasecmp(name.c_str(), "client_cert") != 0);
    fuzz_check(strcasecmp(name.c_str(), "transfer-encoding") != 0 && strcasecmp(name.c_str(), "content-length") != 0);
    hosts += strcasecmp(name.c_str(), "host") == 0;
    if (strcasecmp(name.c_str(), "x-real-ip") == 0) {
      ++addresses;
      fuzz_check(value == "192.0.2.7");
    }
  }
  fuzz_check(hosts == 1 && addresses == 1);
}
