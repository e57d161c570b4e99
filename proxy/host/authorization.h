// Who may use this proxy: trusted hosts and client certificates, with the Ruby proxy's words
// (smart-proxy 3.11, lib/sinatra/authorization.rb and lib/proxy/helpers.rb).
//
// Threads: all methods may be called from any thread. check() blocks on the resolver for clients without
// TLS when trusted hosts are set.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/host/host_names.h"
#include "shared/http/message.h"
#include "shared/log/rate_limit.h"

namespace dynflow::proxy {

struct TrustPolicy {
  std::optional<std::vector<std::string>> trusted_hosts;  // nothing: every host; empty: none
  bool forward_verify = true;  // without TLS the peer's name must resolve back to its address
};

class Authorization {
 public:
  Authorization(TrustPolicy policy, std::unique_ptr<const HostNames> names);

  // Other rules from now on; requests that are being judged are judged by the old ones.
  void replace(TrustPolicy policy, std::unique_ptr<const HostNames> names);

  // Trusted hosts first, then the client certificate (`do_authorize_any`). `path` is the request's path below the
  // module's mount point, for the refusal's text. Nothing = allowed, else why not.
  std::optional<std::string> check(const http::Request& request, std::string_view path) const;

  // check() as an answer: null = allowed, else a logged 403.
  std::unique_ptr<http::Response> refusal(const http::Request& request, std::string_view path) const;

 private:
  struct Rules {
    TrustPolicy policy;  // names in lower case
    std::unique_ptr<const HostNames> names;
  };
  static std::shared_ptr<const Rules> make_rules(TrustPolicy policy, std::unique_ptr<const HostNames> names);
  std::shared_ptr<const Rules> rules() const;

  std::optional<std::string> check_trusted_hosts(const http::Request& request, std::string_view path) const;
  // The peer's name, or the refusal.
  static Result<std::string> name_in_certificate(const http::Request& request);
  static Result<std::string> name_of_peer(const http::Request& request, const Rules& rules);

  mutable std::mutex mutex_;
  std::shared_ptr<const Rules> rules_;  // owners: this and the requests that are being judged; guarded by mutex_
  // Anybody who reaches the port can provoke refusals.
  mutable log::RateLimit refusals_{100, std::chrono::seconds(10)};
};

// The bare text as the body, under `application/json` when the client takes that, although it is no JSON: clients
// have seen it so since Foreman 1.0.
http::Response halt_response(const http::Request& request, int status, std::string_view message);

// True when the request's Accept field allows application/json; a missing one allows everything.
bool accepts_json(const http::Request& request);

}  // namespace dynflow::proxy
