#include "shared/net/certificate_examination.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

#include "shared/net/peer_certificate.h"

namespace dynflow::net {
namespace {

using Kind = CertificateFlaw::Kind;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

constexpr std::time_t kSoon = 30L * 24 * 3600;
// What Debian's and EL's OpenSSL ask for unless told otherwise, in TLS handshakes and chains alike.
constexpr int kSecurityLevel = 2;
constexpr int kSecurityBits = 112;

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

std::string name_of(X509* certificate) { return PeerCertificate::from_x509(certificate)->subject(); }

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

void check_time(X509* certificate, std::string_view what, std::time_t now, CertificateExamination& result) {
  std::time_t later = now + kSoon;
  if (X509_cmp_time(X509_get0_notBefore(certificate), &now) > 0) {
    result.flaws.push_back({Kind::kNotYetValid, fmt::format("{} is not valid yet", what)});
  } else if (X509_cmp_time(X509_get0_notAfter(certificate), &now) < 0) {
    result.flaws.push_back({Kind::kExpired, fmt::format("{} has expired", what)});
  } else if (X509_cmp_time(X509_get0_notAfter(certificate), &later) < 0) {
    result.flaws.push_back({Kind::kExpiresSoon, fmt::format("{} expires within 30 days", what)});
  }
}

void check_name(X509* certificate, const std::string& host, CertificateExamination& result) {
  // As Ruby and OpenSSL do it: with a DNS name among its alternative names the CN does not count; a star stands for one label.
  const bool matches = X509_check_ip_asc(certificate, host.c_str(), 0) == 1 ||
                       X509_check_host(certificate, host.c_str(), host.size(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1;
  if (matches) return;
  result.flaws.push_back({Kind::kWrongName, fmt::format("the certificate is not for '{}', only for {}", host,
                                                        result.names.empty() ? "nobody" : fmt::format("{}", fmt::join(result.names, ", ")))});
}

void check_purpose(X509* certificate, CertificateQuestion::Role role, CertificateExamination& result) {
  const bool is_server = role == CertificateQuestion::Role::kServer;
  if (X509_check_purpose(certificate, is_server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT, 0) == 1) return;
  ERR_clear_error();
  result.flaws.push_back({Kind::kWrongPurpose, fmt::format("its key usage does not allow a TLS {}: extendedKeyUsage lacks {}, or keyUsage lacks digitalSignature",
                                                           is_server ? "server" : "client", is_server ? "serverAuth" : "clientAuth")});
}

void check_strength(X509* certificate, CertificateExamination& result) {
  EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (key == nullptr) return;
  if (const int bits = EVP_PKEY_get_security_bits(key); bits < kSecurityBits) {
    result.flaws.push_back({Kind::kWeak, fmt::format("its key is weak: {} with {} bits", EVP_PKEY_get0_type_name(key), EVP_PKEY_get_bits(key))});
  }
  int digest_bits = 0;
  int digest = 0;
  if (X509_get_signature_info(certificate, &digest, nullptr, &digest_bits, nullptr) == 1 && digest_bits < kSecurityBits) {
    result.flaws.push_back({Kind::kWeak, fmt::format("its signature is weak: {}", OBJ_nid2sn(digest))});
  }
  ERR_clear_error();
}

// Whether revocations of `store` will be asked for.
bool add_revocations(X509_STORE* store, const std::string& file, std::time_t now, CertificateExamination& result) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_file(file.c_str(), "r"), &BIO_free);
  int found = 0;
  while (bio) {
    const std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)> list(PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr), &X509_CRL_free);
    if (!list) break;
    ++found;
    const ASN1_TIME* next = X509_CRL_get0_nextUpdate(list.get());
    if (next != nullptr && X509_cmp_time(next, &now) < 0) {
      result.flaws.push_back({Kind::kOldRevocations, fmt::format("the revocation list {} is out of date", file)});
    }
    X509_STORE_add_crl(store, list.get());
  }
  if (found == 0) result.flaws.push_back({Kind::kUnreadable, fmt::format("the revocation list {} cannot be read: {}", file, openssl_reason())});
  ERR_clear_error();
  return found > 0;
}

Kind kind_of(int problem) {
  switch (problem) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: return Kind::kChainIncomplete;
    case X509_V_ERR_CERT_HAS_EXPIRED: return Kind::kExpired;
    case X509_V_ERR_CERT_NOT_YET_VALID: return Kind::kNotYetValid;
    case X509_V_ERR_CERT_REVOKED: return Kind::kRevoked;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK: return Kind::kWeak;
    case X509_V_ERR_INVALID_PURPOSE: return Kind::kWrongPurpose;
    default: return Kind::kUntrusted;
  }
}

// What the certificate's own examination says already is not said again; revocations of other authorities say nothing.
bool is_known(int problem, int depth) {
  if (problem == X509_V_ERR_UNABLE_TO_GET_CRL || problem == X509_V_ERR_CRL_HAS_EXPIRED || problem == X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER) return true;
  const Kind kind = kind_of(problem);
  return depth == 0 && (kind == Kind::kExpired || kind == Kind::kNotYetValid || kind == Kind::kWeak || kind == Kind::kWrongPurpose);
}

// Collects every problem of the chain instead of the first.
int note_problem(int is_good, X509_STORE_CTX* context) {
  if (is_good == 1) return 1;
  auto& result = *static_cast<CertificateExamination*>(X509_STORE_CTX_get_app_data(context));
  const int problem = X509_STORE_CTX_get_error(context);
  const int depth = X509_STORE_CTX_get_error_depth(context);
  if (is_known(problem, depth)) return 1;
  const Kind kind = kind_of(problem);
  X509* about = X509_STORE_CTX_get_current_cert(context);
  std::string text = X509_verify_cert_error_string(problem);
  if (kind == Kind::kChainIncomplete && about != nullptr) {
    text = fmt::format("the issuer of {} is missing: {}", name_of(about), PeerCertificate::from_x509(about)->issuer());
  } else if (depth > 0 && about != nullptr) {
    text = fmt::format("{}: {}", name_of(about), text);
  }
  // Without an issuer OpenSSL goes on to say the same in other words.
  const bool is_said = std::any_of(result.flaws.begin(), result.flaws.end(), [&](const CertificateFlaw& flaw) { return flaw.kind == kind && !is_hint(kind); });
  if (!is_said) result.flaws.push_back({kind, std::move(text)});
  return 1;
}

void check_chain(const std::vector<Certificate>& chain, const CertificateQuestion& question, std::time_t now, CertificateExamination& result) {
  const std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> store(X509_STORE_new(), &X509_STORE_free);
  if (X509_STORE_load_file(store.get(), question.ca_file.c_str()) != 1) {
    result.flaws.push_back({Kind::kUnreadable, fmt::format("the CA file {} cannot be read: {}", question.ca_file, openssl_reason())});
    return;
  }
  const bool has_crl = !question.crl_file.empty() && add_revocations(store.get(), question.crl_file, now, result);
  const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> others(sk_X509_new_null(), [](STACK_OF(X509)* stack) { sk_X509_free(stack); });
  for (std::size_t at = 1; at < chain.size(); ++at) sk_X509_push(others.get(), chain[at].get());
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> context(X509_STORE_CTX_new(), &X509_STORE_CTX_free);
  X509_STORE_CTX_init(context.get(), store.get(), chain.front().get(), others.get());
  X509_STORE_CTX_set_default(context.get(), question.role == CertificateQuestion::Role::kServer ? "ssl_server" : "ssl_client");
  X509_STORE_CTX_set_time(context.get(), 0, now);
  X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(context.get()), kSecurityLevel);
  if (has_crl) X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  CertificateExamination of_chain;
  X509_STORE_CTX_set_app_data(context.get(), &of_chain);
  X509_STORE_CTX_set_verify_cb(context.get(), note_problem);
  X509_verify_cert(context.get());
  ERR_clear_error();
  for (CertificateFlaw& flaw : of_chain.flaws) {
    flaw.text = fmt::format("not accepted with {}: {}", question.ca_file, flaw.text);
    result.flaws.push_back(std::move(flaw));
  }
  STACK_OF(X509)* verified = X509_STORE_CTX_get0_chain(context.get());
  for (int at = 1; at < sk_X509_num(verified); ++at) {
    X509* issuer = sk_X509_value(verified, at);
    CertificateExamination of_issuer;
    check_time(issuer, fmt::format("its issuer {}", name_of(issuer)), now, of_issuer);
    for (CertificateFlaw& flaw : of_issuer.flaws) {
      if (flaw.kind == Kind::kExpiresSoon) result.flaws.push_back(std::move(flaw));
    }
  }
}

std::vector<std::string> names_of(const PeerCertificate& certificate) {
  if (!certificate.alternative_names().empty()) return certificate.alternative_names();
  if (const auto name = certificate.common_name()) return {*name};
  return {};
}

}  // namespace

bool is_hint(CertificateFlaw::Kind kind) { return kind == Kind::kExpiresSoon || kind == Kind::kOldRevocations; }

bool CertificateExamination::is_trusted() const {
  return std::none_of(flaws.begin(), flaws.end(),
                      [](const CertificateFlaw& flaw) { return flaw.kind == Kind::kUntrusted || flaw.kind == Kind::kChainIncomplete; });
}

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
  result.names = names_of(*known);
  const std::time_t seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  check_time(certificate, "the certificate", seconds, result);
  if (!question.key_file.empty()) check_key(certificate, question.key_file, result);
  check_purpose(certificate, question.role, result);
  check_strength(certificate, result);
  if (!question.ca_file.empty()) check_chain(chain, question, seconds, result);
  if (!question.host.empty()) check_name(certificate, question.host, result);
  return result;
}

}  // namespace dynflow::net
