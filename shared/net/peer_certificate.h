// What we know about the certificate of a connection's other end. Built once, at the handshake.
//
// Threads: immutable.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"

struct x509_st;

namespace dynflow::net {

class PeerCertificate {
 public:
  // `certificate` stays the caller's.
  static std::shared_ptr<const PeerCertificate> from_x509(x509_st* certificate);
  // Errors: kInvalid.
  static Result<std::shared_ptr<const PeerCertificate>> from_pem(std::string_view pem);
  static Result<std::shared_ptr<const PeerCertificate>> from_der(std::string_view der);
  // The first one in a PEM file. The error names the file.
  static Result<std::shared_ptr<const PeerCertificate>> from_file(const std::string& path);

  // "/O=Example/CN=foreman.example.com", as Ruby's OpenSSL::X509::Name#to_s shows it.
  const std::string& subject() const { return subject_; }
  const std::string& issuer() const { return issuer_; }
  // The first "CN=" of the subject text (any case) up to white space, slash or comma, as
  // smart-proxy develop lib/sinatra/authorization.rb reads it; nothing when there is none.
  const std::optional<std::string>& common_name() const { return common_name_; }
  // Decimal digits.
  const std::string& serial() const { return serial_; }
  // DNS names and IP addresses of the subject alternative name.
  const std::vector<std::string>& alternative_names() const { return alternative_names_; }
  // "sha256//" and the digest of the public key with its type (SPKI) in base64, as `curl --pinnedpubkey` takes it. Renewed
  // certificates have the same when the key was kept.
  const std::string& key_pin() const { return key_pin_; }
  const std::string& der() const { return der_; }
  std::string pem() const;

 private:
  PeerCertificate() = default;
  std::string subject_;
  std::string issuer_;
  std::optional<std::string> common_name_;
  std::string serial_;
  std::vector<std::string> alternative_names_;
  std::string key_pin_;
  std::string der_;
};

// The pattern behind `common_name`, for subject texts from elsewhere.
std::optional<std::string> common_name_of(std::string_view subject);

}  // namespace dynflow::net
