#include "shared/net/certificate_pins.h"

#include <catch2/catch.hpp>

#include "shared/base/base64.h"
#include "tests/unit/shared/net/certificates.h"

namespace dynflow::net {
namespace {

using test::Certificates;

std::shared_ptr<const PeerCertificate> read(const Certificates::Files& files) { return *PeerCertificate::from_file(files.certificate); }

TEST_CASE("a serial number counts with its issuer only") {
  Certificates ours;
  Certificates others;
  const auto proxy = read(ours.issue("proxy.example.com", Certificates::Key::kEc, 7));
  const auto pins = CertificatePins::of_serial(*proxy);
  CHECK(pins.admit(*proxy));
  CHECK(pins.is_by_serial());
  CHECK_FALSE(pins.admit(*read(ours.issue("proxy.example.com", Certificates::Key::kEc, 8))));
  // Its own issuer, the same number.
  CHECK_FALSE(CertificatePins::of_serial(*read(ours.self_signed("x"))).admit(*read(ours.issue("x", Certificates::Key::kEc, 1))));
}

TEST_CASE("names are common names or DNS names, in any case") {
  Certificates made;
  const auto proxy = read(made.issue("proxy.example.com", Certificates::Key::kEc, 7));
  CHECK(CertificatePins::of({"PROXY.example.com"}, {}).admit(*proxy));
  CHECK(CertificatePins::of({"other", "127.0.0.1"}, {}).admit(*proxy));
  CHECK_FALSE(CertificatePins::of({"example.com", "proxy", "xproxy.example.com", ""}, {}).admit(*proxy));
}

TEST_CASE("keys are those of the certificate, whatever its names") {
  Certificates made;
  const auto proxy = read(made.issue("proxy.example.com", Certificates::Key::kRsa, 7));
  const auto other = read(made.issue("proxy.example.com", Certificates::Key::kRsa, 7));
  CHECK(proxy->key_pin() != other->key_pin());
  CHECK(proxy->key_pin().substr(0, 8) == "sha256//");
  CHECK(base64_decode(proxy->key_pin().substr(8))->size() == 32);
  const auto pins = CertificatePins::of({"nobody"}, {proxy->key_pin()});
  CHECK(pins.admit(*proxy));
  CHECK_FALSE(pins.admit(*other));
}

TEST_CASE("nobody is nobody") {
  Certificates made;
  const auto proxy = read(made.issue("proxy.example.com", Certificates::Key::kEc, 7));
  CHECK_FALSE(CertificatePins().admit(*proxy));
  CHECK_FALSE(CertificatePins::of({}, {}).admit(*proxy));
}

TEST_CASE("a file without a certificate is an error that names it") {
  const auto missing = PeerCertificate::from_file("/nonexistent/file.pem");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message().find("/nonexistent/file.pem") != std::string::npos);
}

}  // namespace
}  // namespace dynflow::net
