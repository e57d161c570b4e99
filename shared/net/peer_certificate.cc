#include "shared/net/peer_certificate.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <strings.h>

#include <array>
#include <fstream>
#include <sstream>

#include "shared/base/base64.h"

namespace dynflow::net {
namespace {

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

std::string name_text(const X509_NAME* name) {
  std::unique_ptr<char, void (*)(char*)> text(X509_NAME_oneline(name, nullptr, 0),
                                              [](char* p) { OPENSSL_free(p); });
  return text ? text.get() : "";
}

std::string decimal(const ASN1_INTEGER* number) {
  std::unique_ptr<BIGNUM, decltype(&BN_free)> big(ASN1_INTEGER_to_BN(number, nullptr), &BN_free);
  if (!big) return {};
  std::unique_ptr<char, void (*)(char*)> text(BN_bn2dec(big.get()), [](char* p) { OPENSSL_free(p); });
  return text ? text.get() : "";
}

std::string address_text(const ASN1_OCTET_STRING* bytes) {
  const int length = ASN1_STRING_length(bytes);
  char text[INET6_ADDRSTRLEN] = "";
  if (length == 4) inet_ntop(AF_INET, ASN1_STRING_get0_data(bytes), text, sizeof text);
  if (length == 16) inet_ntop(AF_INET6, ASN1_STRING_get0_data(bytes), text, sizeof text);
  return text;
}

std::vector<std::string> alternative_names(X509* certificate) {
  std::vector<std::string> names;
  std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> list(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  if (!list) return names;
  for (int i = 0; i < sk_GENERAL_NAME_num(list.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(list.get(), i);
    if (name->type == GEN_DNS) {
      names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                         static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
    } else if (name->type == GEN_IPADD) {
      names.push_back(address_text(name->d.iPAddress));
    }
  }
  return names;
}

std::string key_pin_of(X509* certificate) {
  unsigned char* key = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key);
  if (size <= 0) return {};
  const std::unique_ptr<unsigned char, void (*)(unsigned char*)> owned(key, [](unsigned char* p) { OPENSSL_free(p); });
  std::array<unsigned char, 32> digest;
  if (EVP_Digest(key, static_cast<std::size_t>(size), digest.data(), nullptr, EVP_sha256(), nullptr) != 1) return {};
  return "sha256//" + base64_encode({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

Result<std::shared_ptr<const PeerCertificate>> checked(Certificate certificate) {
  ERR_clear_error();
  if (!certificate) return Error(Code::kInvalid, "not a certificate");
  return PeerCertificate::from_x509(certificate.get());
}

}  // namespace

std::optional<std::string> common_name_of(std::string_view subject) {
  for (std::size_t at = 0; at + 3 < subject.size(); ++at) {
    if (strncasecmp(subject.data() + at, "CN=", 3) != 0) continue;
    const std::string_view rest = subject.substr(at + 3);
    const std::string_view name = rest.substr(0, rest.find_first_of(" \t\r\n\f\v/,"));
    if (!name.empty()) return std::string(name);
  }
  return std::nullopt;
}

std::shared_ptr<const PeerCertificate> PeerCertificate::from_x509(x509_st* certificate) {
  std::shared_ptr<PeerCertificate> result(new PeerCertificate);
  result->subject_ = name_text(X509_get_subject_name(certificate));
  result->issuer_ = name_text(X509_get_issuer_name(certificate));
  result->common_name_ = common_name_of(result->subject_);
  result->serial_ = decimal(X509_get0_serialNumber(certificate));
  result->alternative_names_ = net::alternative_names(certificate);
  result->key_pin_ = key_pin_of(certificate);
  const int size = i2d_X509(certificate, nullptr);
  if (size > 0) {
    result->der_.resize(static_cast<std::size_t>(size));
    auto* out = reinterpret_cast<unsigned char*>(result->der_.data());
    i2d_X509(certificate, &out);
  }
  ERR_clear_error();
  return result;
}

Result<std::shared_ptr<const PeerCertificate>> PeerCertificate::from_pem(std::string_view pem) {
  std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  return checked(Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free));
}

Result<std::shared_ptr<const PeerCertificate>> PeerCertificate::from_der(std::string_view der) {
  const auto* data = reinterpret_cast<const unsigned char*>(der.data());
  return checked(Certificate(d2i_X509(nullptr, &data, static_cast<long>(der.size())), &X509_free));
}

Result<std::shared_ptr<const PeerCertificate>> PeerCertificate::from_file(const std::string& path) {
  std::ifstream stream(path);
  std::ostringstream pem;
  pem << stream.rdbuf();
  if (!stream) return Error(Code::kInvalid, path + " cannot be read");
  auto certificate = from_pem(pem.str());
  if (!certificate) return certificate.error().in(path);
  return certificate;
}

std::string PeerCertificate::pem() const {
  const auto* data = reinterpret_cast<const unsigned char*>(der_.data());
  const Certificate certificate(d2i_X509(nullptr, &data, static_cast<long>(der_.size())), &X509_free);
  std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  if (!certificate || PEM_write_bio_X509(bio.get(), certificate.get()) != 1) return {};
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

}  // namespace dynflow::net
