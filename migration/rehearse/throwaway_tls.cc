#include "migration/rehearse/throwaway_tls.h"

#include <fmt/format.h>

#include "migration/rehearse/playground.h"

namespace dynflow::migration {

Result<ThrowawayTls> ThrowawayTls::make(const std::filesystem::path& folder, const Interrupt& interrupt) {
  const auto openssl = find_program("openssl");
  if (!openssl) return openssl.error();
  ThrowawayTls made{folder / "rehearsal.pem", folder / "rehearsal.key"};
  const auto done = run_program({openssl->string(), "req", "-x509", "-newkey", "rsa:4096", "-nodes", "-days", "2", "-subj", fmt::format("/CN={}", kThrowawayName),
                                 "-addext", fmt::format("subjectAltName=DNS:{},DNS:localhost,IP:127.0.0.1", kThrowawayName), "-keyout", made.key.string(), "-out",
                                 made.certificate.string()},
                                interrupt);
  if (!done) return done.error().in("a throw-away certificate");
  return made;
}

std::string ThrowawayTls::settings() const {
  return fmt::format(":ssl_ca_file: {0}\n:ssl_certificate: {0}\n:ssl_private_key: {1}\n", certificate.string(), key.string());
}

Result<std::shared_ptr<const net::TlsClientContext>> ThrowawayTls::client() const {
  return net::TlsClientContext::create({certificate.string(), certificate.string(), key.string()});
}

Result<std::shared_ptr<const net::TlsServerContext>> ThrowawayTls::server() const {
  net::TlsServerOptions options;
  options.certificate_file = certificate.string();
  options.key_file = key.string();
  options.ca_file = certificate.string();
  return net::TlsServerContext::create(options);
}

}  // namespace dynflow::migration
