// Foreman's callback route over HTTP.
//
// Threads: as ForemanClient.
//
// Source of the request's form: theforeman/smart-proxy, lib/proxy/request.rb; smart_proxy_dynflow v0.9.4,
// lib/smart_proxy_dynflow/callback.rb. A path in the URL is kept, as upstream does not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "shared/base/result.h"
#include "shared/callback/outbox.h"

namespace dynflow::callback {

struct ForemanAddress {
  std::string url;               // "https://foreman.example.com/sub"; empty: nothing can be delivered
  std::string ca_file;           // empty: Foreman's certificate is not verified, as upstream
  std::string certificate_file;  // ours; empty = none
  std::string key_file;
  std::size_t connections = 4;   // at most
};

// The parts of a URL "http(s)://host[:port][/path]". kInvalid for anything else, also for one with user, query or fragment.
struct ForemanUrl {
  bool is_https = false;
  std::string host;  // IPv6 without brackets
  std::uint16_t port = 0;
  std::string path;  // without a slash at the end; may be empty
};
Result<ForemanUrl> parse_foreman_url(const std::string& url);

// Certificates are read when they are first needed, and again after a failure, so that a host whose certificates come later starts.
// kInvalid: the URL.
Result<std::unique_ptr<ForemanClient>> make_foreman_client(ForemanAddress address);

}  // namespace dynflow::callback
