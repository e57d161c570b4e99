#include "tests/unit/shared/net/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace dynflow::test {
namespace {

using Cert = std::unique_ptr<X509, decltype(&X509_free)>;
using Pkey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Pkey make_key(Certificates::Key type) {
  EVP_PKEY* made = type == Certificates::Key::kEc ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")
                                                  : EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048});
  if (made == nullptr) throw std::runtime_error("no key");
  return Pkey(made, &EVP_PKEY_free);
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) throw std::runtime_error("bad extension " + value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

void add_name(X509_NAME* name, const char* field, const std::string& value) {
  X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.c_str()), -1, -1, 0);
}

Cert make_certificate(const std::string& common_name, const std::string& organisation, long serial, EVP_PKEY* key,
                      X509* issuer, EVP_PKEY* issuer_key, bool is_ca) {
  Cert certificate(X509_new(), &X509_free);
  X509* x = certificate.get();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
  X509_gmtime_adj(X509_getm_notBefore(x), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x), 24 * 3600);
  X509_set_pubkey(x, key);
  if (!organisation.empty()) add_name(X509_get_subject_name(x), "O", organisation);
  add_name(X509_get_subject_name(x), "CN", common_name);
  X509* by = issuer != nullptr ? issuer : x;
  X509_set_issuer_name(x, X509_get_subject_name(by));
  add_extension(x, by, NID_basic_constraints, is_ca ? "critical,CA:TRUE" : "CA:FALSE");
  if (!is_ca) add_extension(x, by, NID_subject_alt_name, "DNS:" + common_name + ",IP:127.0.0.1");
  if (X509_sign(x, issuer_key, EVP_sha256()) == 0) throw std::runtime_error("not signed");
  return certificate;
}

void write(const std::string& path, X509* certificate, EVP_PKEY* key) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) throw std::runtime_error("cannot write " + path);
  if (certificate != nullptr) PEM_write_X509(file, certificate);
  if (key != nullptr) PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
}

}  // namespace

struct Certificates::Authority {
  Pkey key = make_key(Key::kEc);
  Cert certificate = make_certificate("Test CA", {}, 1, key.get(), nullptr, key.get(), true);
};

Certificates::Certificates() : authority_(std::make_unique<Authority>()) {
  std::string pattern = (std::filesystem::temp_directory_path() / "dynflow-certificates-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
  folder_ = pattern;
  write(ca_file(), authority_->certificate.get(), nullptr);
}

Certificates::~Certificates() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string Certificates::ca_file() const { return (folder_ / "ca.pem").string(); }

Certificates::Files Certificates::issue(const std::string& name, Key type, long serial, const std::string& organisation) {
  const Pkey key = make_key(type);
  const Cert certificate = make_certificate(name, organisation, serial, key.get(), authority_->certificate.get(),
                                            authority_->key.get(), false);
  const std::string base = (folder_ / std::to_string(++count_)).string();
  const Files files{base + ".pem", base + ".key"};
  write(files.certificate, certificate.get(), nullptr);
  write(files.key, nullptr, key.get());
  return files;
}

Certificates::Files Certificates::self_signed(const std::string& name) {
  const Pkey key = make_key(Key::kEc);
  const Cert certificate = make_certificate(name, {}, 1, key.get(), nullptr, key.get(), false);
  const std::string base = (folder_ / std::to_string(++count_)).string();
  const Files files{base + ".pem", base + ".key"};
  write(files.certificate, certificate.get(), nullptr);
  write(files.key, nullptr, key.get());
  return files;
}

}  // namespace dynflow::test
