#include "proxy/host/authorization.h"

#include <catch2/catch.hpp>
#include <map>

#include "shared/net/peer_certificate.h"
#include "tests/unit/proxy/certificates.h"

using namespace dynflow;
using namespace dynflow::proxy;

namespace {

class FakeNames final : public HostNames {
 public:
  std::map<std::string, std::string> names;
  std::map<std::string, std::vector<std::string>> addresses;

  Result<std::string> name_of(const std::string& address) const override {
    const auto found = names.find(address);
    if (found == names.end()) return Error(Code::kNotFound, "no name for " + address);
    return found->second;
  }
  Result<std::vector<std::string>> addresses_of(const std::string& name) const override {
    const auto found = addresses.find(name);
    if (found == addresses.end()) return Error(Code::kNotFound, "no address for " + name);
    return found->second;
  }
};

std::unique_ptr<FakeNames> example_names() {
  auto names = std::make_unique<FakeNames>();
  names->names = {{"192.0.2.7", "foreman.example.com"},
                  {"192.0.2.8", "liar.example.com"},
                  {"192.0.2.9", "halfway.example.com"},
                  {"2001:db8::1", "Foreman.Example.COM"}};
  names->addresses = {{"foreman.example.com", {"192.0.2.1", "192.0.2.7"}},
                      {"liar.example.com", {"198.51.100.1"}},
                      {"Foreman.Example.COM", {"2001:db8::1"}}};
  return names;
}

Authorization authorization(std::optional<std::vector<std::string>> hosts, bool forward_verify = true) {
  return Authorization({std::move(hosts), forward_verify}, example_names());
}

http::Request plain(const std::string& address) {
  http::Request request;
  request.peer.address = address;
  return request;
}

http::Request tls(const char* pem) {
  http::Request request;
  request.peer.address = "192.0.2.7";
  request.peer.is_tls = true;
  if (pem != nullptr) request.peer.certificate = *net::PeerCertificate::from_pem(pem);
  return request;
}

const std::vector<std::string> kForeman{"foreman.example.com"};

}  // namespace

TEST_CASE("without trusted hosts plain http passes and https needs a certificate", "[authorization]") {
  const auto checks = authorization(std::nullopt);
  CHECK_FALSE(checks.check(plain("203.0.113.1"), "/tasks/count"));
  CHECK_FALSE(checks.check(tls(kForemanPem), "/tasks/count"));
  CHECK(checks.check(tls(nullptr), "/tasks/count") == "No client SSL certificate supplied");
}

TEST_CASE("https clients are judged by the common name of their certificate", "[authorization]") {
  const auto trusting = authorization(kForeman);
  CHECK_FALSE(trusting.check(tls(kForemanPem), "/"));
  CHECK(trusting.check(tls(nullptr), "/") == "could not read client cert from environment");
  CHECK(trusting.check(tls(kNamelessPem), "/") == "could not read CN from the client certificate");
  CHECK(authorization(std::vector<std::string>{"other.example.com"}).check(tls(kForemanPem), "/tasks/count") ==
        "Untrusted client foreman.example.com attempted to access /tasks/count. Check :trusted_hosts: in settings.yml");
}

TEST_CASE("trusted hosts compare without case", "[authorization]") {
  const auto trusting = authorization(std::vector<std::string>{"FOREMAN.example.com"});
  CHECK_FALSE(trusting.check(tls(kForemanPem), "/"));
  CHECK_FALSE(trusting.check(plain("192.0.2.7"), "/"));
  CHECK_FALSE(trusting.check(plain("2001:db8::1"), "/"));
}

TEST_CASE("an empty list trusts nobody", "[authorization]") {
  const auto nobody = authorization(std::vector<std::string>{});
  CHECK(nobody.check(tls(kForemanPem), ""));
  CHECK(nobody.check(plain("192.0.2.7"), "") ==
        "Untrusted client foreman.example.com attempted to access /. Check :trusted_hosts: in settings.yml");
}

TEST_CASE("http clients are judged by their reverse name, which must resolve back", "[authorization]") {
  const auto trusting = authorization(std::vector<std::string>{"foreman.example.com", "liar.example.com", "halfway.example.com"});
  CHECK_FALSE(trusting.check(plain("192.0.2.7"), "/"));
  CHECK(trusting.check(plain("192.0.2.8"), "/") ==
        "untrusted client has no matching forward DNS lookup - liar.example.com (192.0.2.8)");
  CHECK(trusting.check(plain("192.0.2.9"), "/") ==
        "could not forward verify the remote hostname - halfway.example.com (192.0.2.9)\n\nno address for halfway.example.com");
  CHECK(trusting.check(plain("203.0.113.1"), "/") ==
        "unable to resolve hostname for ip address 203.0.113.1\n\nno name for 203.0.113.1");
  CHECK(trusting.check(plain(""), "/") == "could not get remote address from environment");
}

TEST_CASE("forward_verify: false takes the reverse name as it is", "[authorization]") {
  CHECK_FALSE(authorization(std::vector<std::string>{"liar.example.com"}, false).check(plain("192.0.2.8"), "/"));
}

TEST_CASE("a link-local peer is asked for in no DNS", "[authorization]") {
  CHECK(authorization(kForeman).check(plain("fe80::1%eth0"), "/x") ==
        "Untrusted client fe80::1%eth0 attempted to access /x. Check :trusted_hosts: in settings.yml");
  CHECK_FALSE(authorization(std::vector<std::string>{"fe80::1%eth0"}).check(plain("fe80::1%eth0"), "/x"));
}

TEST_CASE("a refusal is the bare text under the type that the client takes", "[authorization]") {
  const auto checks = authorization(std::nullopt);
  auto request = tls(nullptr);
  const auto refused = checks.refusal(request, "/");
  REQUIRE(refused);
  CHECK(refused->status == 403);
  CHECK(refused->body == "No client SSL certificate supplied");
  CHECK(refused->headers.get("Content-Type") == "application/json");
  CHECK_FALSE(checks.refusal(tls(kForemanPem), "/"));
}

TEST_CASE("accepts_json reads the Accept field", "[authorization]") {
  struct Row {
    const char* accept;
    bool expected;
  };
  for (const Row row : {Row{"", true}, Row{"*/*", true}, Row{"application/json", true}, Row{"text/html, Application/*;q=0.5", true},
                        Row{"text/html", false}, Row{"application/json;q=0", false}, Row{"application/json;q=0.0, */*", true},
                        Row{"application/json;q=0.01", true}, Row{"image/*,text/plain", false}}) {
    http::Request request;
    request.headers.add("Accept", row.accept);
    INFO(row.accept);
    CHECK(accepts_json(request) == row.expected);
  }
  CHECK(accepts_json(http::Request{}));
}

TEST_CASE("other rules count from the next request on") {
  Authorization authorization({std::vector<std::string>{"foreman.example.com"}, true}, example_names());
  http::Request request;
  request.peer.address = "192.0.2.7";
  CHECK_FALSE(authorization.check(request, "/"));
  authorization.replace({std::vector<std::string>{"Other.example.com"}, true}, example_names());
  CHECK(authorization.check(request, "/"));
  authorization.replace({std::nullopt, true}, example_names());
  CHECK_FALSE(authorization.check(request, "/"));
}
