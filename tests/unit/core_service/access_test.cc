#include "core_service/access.h"

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "shared/base/fd.h"
#include "shared/net/peer_certificate.h"
#include "tests/unit/proxy/certificates.h"

using namespace dynflow;
using namespace dynflow::core_service;
using dynflow::proxy::kForemanPem;
using dynflow::proxy::kNamelessPem;

namespace {

class PemFile {
 public:
  explicit PemFile(const char* text) {
    const Fd fd(mkstemp(path_.data()));
    std::ofstream(path_) << text;
  }
  ~PemFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "access-XXXXXX").string();
};

http::Request tls(const char* pem) {
  http::Request request;
  request.peer.is_tls = true;
  if (pem != nullptr) request.peer.certificate = *net::PeerCertificate::from_pem(pem);
  request.headers.add("Client-Cert", ":Zm9v:");
  request.headers.add("Accept", "*/*");
  return request;
}

}  // namespace

TEST_CASE("over https only the proxy's own certificate is let in", "[access]") {
  const PemFile file(kForemanPem);
  const auto access = Access::for_client(file.path());
  REQUIRE(access);
  CHECK_FALSE(access->refusal(tls(kForemanPem)));

  const auto nobody = access->refusal(tls(nullptr));
  REQUIRE(nobody);
  CHECK(nobody->status == 403);
  CHECK(nobody->body == R"({"error":"No client SSL certificate supplied"})");

  const auto other = access->refusal(tls(kNamelessPem));
  REQUIRE(other);
  CHECK(other->status == 403);
  CHECK(other->body == R"({"error":"SSL certificate with unexpected serial supplied"})");
}

TEST_CASE("over http nobody is asked", "[access]") { CHECK_FALSE(Access().refusal(http::Request{})); }

TEST_CASE("only the proxy may say which certificate a client has", "[access]") {
  const PemFile file(kForemanPem);
  const auto access = Access::for_client(file.path());
  REQUIRE(access);
  auto from_proxy = tls(kForemanPem);
  access->drop_unproven_claims(from_proxy);
  CHECK(from_proxy.headers.has("Client-Cert"));

  for (const char* pem : {static_cast<const char*>(nullptr), kNamelessPem}) {
    auto request = tls(pem);
    access->drop_unproven_claims(request);
    CHECK_FALSE(request.headers.has("Client-Cert"));
    CHECK(request.headers.has("Accept"));
  }
  auto plain = tls(nullptr);
  plain.peer.is_tls = false;
  Access().drop_unproven_claims(plain);
  CHECK_FALSE(plain.headers.has("Client-Cert"));
}

TEST_CASE("a file without a certificate is an error that names it", "[access]") {
  const PemFile file("nothing");
  const auto access = Access::for_client(file.path());
  REQUIRE_FALSE(access);
  CHECK(access.error().message().find(file.path()) != std::string::npos);
  CHECK_FALSE(Access::for_client("/nonexistent/file.pem"));
}
