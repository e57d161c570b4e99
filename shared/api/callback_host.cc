#include "shared/api/callback_host.h"

#include <algorithm>
#include <string_view>

#include "shared/json/json.h"

namespace dynflow::api {
namespace {

const Json* first_action_input(const Json& input) {
  if (const Json* own = json::find(input, "action_input"); own != nullptr && own->is_object()) return own;
  if (!input.is_object()) return nullptr;
  for (const Json& entry : input) {
    if (const Json* its = json::find(entry, "action_input"); its != nullptr && its->is_object()) return its;
  }
  return nullptr;
}

// The first host of a list; empty when that cannot be a host.
std::string_view host_in(std::string_view value) {
  value = value.substr(0, value.find(','));
  while (value.starts_with(' ')) value.remove_prefix(1);
  while (value.ends_with(' ')) value.remove_suffix(1);
  const bool is_host = std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view(".-_:[]%").find(c) != std::string_view::npos;
  });
  return is_host ? value : std::string_view();
}

}  // namespace

std::string callback_host(const Json& input, const http::Request& request) {
  if (const Json* action_input = first_action_input(input)) {
    if (std::string url = json::get_string(*action_input, "proxy_url"); !url.empty()) return url;
  }
  std::string scheme = request.peer.is_tls ? "https" : "http";
  std::string_view host;
  if (const auto forwarded = request.headers.get("X-Forwarded-For")) host = host_in(*forwarded);
  if (!host.empty()) {
    if (const auto proto = request.headers.get("X-Forwarded-Proto"); proto == "https" || proto == "http") scheme = *proto;
  } else {
    host = host_in(request.headers.get("Host").value_or(""));
  }
  return scheme + "://" + std::string(host.empty() ? request.local_address : host);
}

}  // namespace dynflow::api
