// A certificate for a rehearsal of a site with TLS: one for everybody, who all trust it. Its key is as long as Puppet's.
//
// Threads: values.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "migration/rehearse/interrupt.h"
#include "shared/base/result.h"
#include "shared/net/tls_context.h"

namespace dynflow::migration {

struct ThrowawayTls {
  std::filesystem::path certificate;  // also the authority
  std::filesystem::path key;

  // In `folder`, by the program openssl. Errors: kNotFound without it, and those of run_program.
  static Result<ThrowawayTls> make(const std::filesystem::path& folder, const Interrupt& interrupt);

  // The lines of a settings file that name them: ":ssl_certificate: ..." and the like.
  std::string settings() const;
  // Errors: those of the contexts.
  Result<std::shared_ptr<const net::TlsClientContext>> client() const;
  Result<std::shared_ptr<const net::TlsServerContext>> server() const;
};

// The name in the certificate.
inline constexpr std::string_view kThrowawayName = "rehearsal.invalid";

}  // namespace dynflow::migration
