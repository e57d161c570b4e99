// Who may use the standalone core: over https only the local proxy, known by the serial number of its certificate;
// over http everybody who reaches the port (smart_proxy_dynflow_core 0.3.3, lib/smart_proxy_dynflow_core/helpers.rb).
//
// Threads: immutable.
#pragma once

#include <memory>
#include <string>

#include "shared/base/result.h"
#include "shared/http/message.h"

namespace dynflow::core_service {

class Access {
 public:
  // Plain http: nobody is asked for anything.
  Access() = default;
  // https: the certificate of the one client, in PEM. Errors: kInvalid with the file's name.
  static Result<Access> for_client(const std::string& certificate_file);

  // Null = allowed, else a 403 with upstream's text.
  std::unique_ptr<http::Response> refusal(const http::Request& request) const;

  // Takes away what only the proxy may say about a client: the certificate that it verified (RFC 9440).
  void drop_unproven_claims(http::Request& request) const;

 private:
  bool is_proxy(const http::Request& request) const;
  std::string serial_;  // decimal; empty: plain http
};

}  // namespace dynflow::core_service
