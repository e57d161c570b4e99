#include "shared/net/certificate_examination.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <memory>

#include "shared/net/peer_certificate.h"

namespace dynflow::net {
namespace {

using Kind = CertificateFlaw::Kind;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

constexpr std::time_t kSoon = 30L * 24 * 3600;

std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  return reason != nullptr ? reason : "not understood";
}

std::vector<Certificate> certificates_in(const std::string& file) {
  std::vector<Certificate> found;
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_file(file.c_str(), "r"), &BIO_free);
  if (!bio) return found;
  while (X509* each = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) found.emplace_back(each, &X509_free);
  if (!found.empty()) ERR_clear_error();  // the end of the file is one
  return found;
}

void check_key(X509* certificate, const std::string& file, CertificateExamination& result) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_file(file.c_str(), "r"), &BIO_free);
  // A key with a passphrase cannot be used by a service: no question is asked.
  const auto no_passphrase = [](char*, int, int, void*) { return 0; };
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr) : nullptr, &EVP_PKEY_free);
  if (!key) {
    result.flaws.push_back({Kind::kUnreadable, fmt::format("the key {} cannot be read: {}", file, openssl_reason())});
  } else if (X509_check_private_key(certificate, key.get()) != 1) {
    ERR_clear_error();
    result.flaws.push_back({Kind::kKeyMismatch, fmt::format("the key {} is not that of the certificate", file)});
  }
}

void check_time(X509* certificate, std::time_t now, CertificateExamination& result) {
  std::time_t later = now + kSoon;
  if (X509_cmp_time(X509_get0_notBefore(certificate), &now) > 0) {
    result.flaws.push_back({Kind::kNotYetValid, "the certificate is not valid yet"});
  } else if (X509_cmp_time(X509_get0_notAfter(certificate), &now) < 0) {
    result.flaws.push_back({Kind::kExpired, "the certificate has expired"});
  } else if (X509_cmp_time(X509_get0_notAfter(certificate), &later) < 0) {
    result.flaws.push_back({Kind::kExpiresSoon, "the certificate expires within 30 days"});
  }
}

void check_name(X509* certificate, const std::string& host, CertificateExamination& result) {
  const bool matches = X509_check_ip_asc(certificate, host.c_str(), 0) == 1 || X509_check_host(certificate, host.c_str(), host.size(), 0, nullptr) == 1;
  if (!matches) result.flaws.push_back({Kind::kWrongName, fmt::format("the certificate is not for '{}'", host)});
}

void check_chain(const std::vector<Certificate>& chain, const CertificateQuestion& question, std::time_t now, CertificateExamination& result) {
  const std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> store(X509_STORE_new(), &X509_STORE_free);
  if (X509_STORE_load_file(store.get(), question.ca_file.c_str()) != 1) {
    result.flaws.push_back({Kind::kUnreadable, fmt::format("the CA file {} cannot be read: {}", question.ca_file, openssl_reason())});
    return;
  }
  const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> others(sk_X509_new_null(), [](STACK_OF(X509)* stack) { sk_X509_free(stack); });
  for (std::size_t at = 1; at < chain.size(); ++at) sk_X509_push(others.get(), chain[at].get());
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> context(X509_STORE_CTX_new(), &X509_STORE_CTX_free);
  X509_STORE_CTX_init(context.get(), store.get(), chain.front().get(), others.get());
  X509_STORE_CTX_set_default(context.get(), question.role == CertificateQuestion::Role::kServer ? "ssl_server" : "ssl_client");
  X509_STORE_CTX_set_time(context.get(), 0, now);
  if (X509_verify_cert(context.get()) == 1) return;
  const int problem = X509_STORE_CTX_get_error(context.get());
  ERR_clear_error();
  // Those of the certificate itself were told already.
  if ((problem == X509_V_ERR_CERT_HAS_EXPIRED || problem == X509_V_ERR_CERT_NOT_YET_VALID) && X509_STORE_CTX_get_error_depth(context.get()) == 0) return;
  const Kind kind = problem == X509_V_ERR_INVALID_PURPOSE ? Kind::kWrongPurpose : Kind::kUntrusted;
  result.flaws.push_back({kind, fmt::format("not accepted with {}: {}", question.ca_file, X509_verify_cert_error_string(problem))});
}

}  // namespace

CertificateExamination examine_certificate(const CertificateQuestion& question, Time now) {
  ERR_clear_error();
  CertificateExamination result;
  const auto chain = certificates_in(question.certificate_file);
  if (chain.empty()) {
    result.flaws.push_back({Kind::kUnreadable, fmt::format("{} cannot be read: {}", question.certificate_file, openssl_reason())});
    return result;
  }
  X509* certificate = chain.front().get();
  const auto known = PeerCertificate::from_x509(certificate);
  result.subject = known->subject();
  result.serial = known->serial();
  const std::time_t seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  check_time(certificate, seconds, result);
  if (!question.key_file.empty()) check_key(certificate, question.key_file, result);
  if (!question.ca_file.empty()) check_chain(chain, question, seconds, result);
  if (!question.host.empty()) check_name(certificate, question.host, result);
  return result;
}

}  // namespace dynflow::net
