#include <openssl/ssl.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "shared/net/connection.h"
#include "shared/net/peer_certificate.h"
#include "shared/net/tls_context.h"
#include "tests/unit/shared/net/certificates.h"

using namespace dynflow;
using namespace dynflow::net;
using namespace std::chrono_literals;
using dynflow::test::Certificates;

namespace {

struct Pair {
  std::unique_ptr<Connection> server;
  std::unique_ptr<Connection> client;
};

Pair connect(const TlsServerContext& server, const TlsClientContext& client, const std::string& host) {
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
  Pair pair{std::make_unique<Connection>(Fd(fds[0])), std::make_unique<Connection>(Fd(fds[1]))};
  pair.server->set_tls(server.session(fds[0]));
  pair.client->set_tls(client.session(fds[1], host));
  return pair;
}

struct Ends {
  IoState server;
  IoState client;
};

// Both ends in turn, in one thread, until both are done or one failed.
Ends shake(const Pair& pair) {
  Ends ends{IoState::kWantRead, IoState::kWantRead};
  for (int i = 0; i < 20; ++i) {
    if (ends.client != IoState::kReady) ends.client = pair.client->handshake().state;
    if (ends.server != IoState::kReady) ends.server = pair.server->handshake().state;
    const bool is_over = ends.client == IoState::kFailed || ends.server == IoState::kFailed;
    if (is_over || (ends.client == IoState::kReady && ends.server == IoState::kReady)) break;
  }
  return ends;
}

std::shared_ptr<const TlsServerContext> server_context(const Certificates& certificates, const Certificates::Files& own,
                                                       std::vector<std::string> versions = {}) {
  auto context = TlsServerContext::create({own.certificate, own.key, certificates.ca_file(), {}, std::move(versions)});
  REQUIRE(context);
  return *context;
}

std::shared_ptr<const TlsClientContext> client_context(const std::string& ca, const Certificates::Files& own = {}) {
  auto context = TlsClientContext::create({ca, own.certificate, own.key});
  REQUIRE(context);
  return *context;
}

std::string content(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// A client of plain OpenSSL, for what ours never does.
struct OtherClient {
  OtherClient() : context(SSL_CTX_new(TLS_client_method())) {}
  ~OtherClient() {
    SSL_SESSION_free(session);
    SSL_CTX_free(context);
  }
  OtherClient(const OtherClient&) = delete;
  OtherClient& operator=(const OtherClient&) = delete;

  // One connection to `server`; true when the handshake worked. A byte from the server brings the session ticket.
  bool connect(const TlsServerContext& server_settings) {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    const Fd client_end(fds[1]);
    Connection server((Fd(fds[0])));
    server.set_tls(server_settings.session(fds[0]));
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, fds[1]);
    if (session != nullptr) SSL_set_session(ssl, session);
    bool is_client_done = false, is_server_done = false;
    for (int i = 0; i < 20 && !(is_client_done && is_server_done); ++i) {
      is_client_done = is_client_done || SSL_connect(ssl) == 1;
      is_server_done = is_server_done || server.handshake().state == IoState::kReady;
      // Its last words leave at the latest when it looks for more.
      char byte = 0;
      if (is_server_done) REQUIRE(server.read_some({&byte, 1}).state == IoState::kWantRead);
    }
    if (is_client_done && is_server_done) {
      char byte = 0;
      REQUIRE(server.write_some("x").bytes == 1);
      REQUIRE(SSL_read(ssl, &byte, 1) == 1);
      was_resumed = SSL_session_reused(ssl) == 1;
      version = SSL_get_version(ssl);
      cipher = SSL_get_cipher(ssl);
      certificate = server.tls()->peer_certificate();
      SSL_SESSION_free(session);
      session = SSL_get1_session(ssl);
      SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    return is_client_done && is_server_done;
  }

  SSL_CTX* context;
  SSL_SESSION* session = nullptr;
  bool was_resumed = false;
  std::string version;
  std::string cipher;
  std::shared_ptr<const PeerCertificate> certificate;
};

}  // namespace

TEST_CASE("a connection without client certificate works and has none") {
  Certificates certificates;
  const auto type = GENERATE(Certificates::Key::kRsa, Certificates::Key::kEc);
  const auto server = server_context(certificates, certificates.issue("proxy.example.com", type));
  const Pair pair = connect(*server, *client_context(certificates.ca_file()), "proxy.example.com");
  const Ends ends = shake(pair);
  REQUIRE(ends.server == IoState::kReady);
  REQUIRE(ends.client == IoState::kReady);
  CHECK_FALSE(pair.server->tls()->peer_certificate());
  CHECK(pair.client->tls()->peer_certificate()->common_name() == "proxy.example.com");
  REQUIRE(pair.client->write_some("he", "llo").bytes == 5);
  char buffer[16];
  CHECK(pair.server->read_some(buffer).bytes == 5);
  CHECK(std::string(buffer, 5) == "hello");
  pair.client->finish_sending();
  CHECK(pair.server->read_some(buffer).state == IoState::kEnd);
}

TEST_CASE("a client certificate of the CA is known by name, serial and text") {
  Certificates certificates;
  const auto server = server_context(certificates, certificates.issue("proxy.example.com"));
  const auto own = certificates.issue("foreman.example.com", Certificates::Key::kEc, 1234567, "Example");
  const Pair pair = connect(*server, *client_context(certificates.ca_file(), own), "127.0.0.1");
  REQUIRE(shake(pair).server == IoState::kReady);
  const auto peer = pair.server->tls()->peer_certificate();
  REQUIRE(peer);
  CHECK(peer->common_name() == "foreman.example.com");
  CHECK(peer->subject() == "/O=Example/CN=foreman.example.com");
  CHECK(peer->issuer() == "/CN=Test CA");
  CHECK(peer->serial() == "1234567");
  CHECK(peer->alternative_names() == std::vector<std::string>{"foreman.example.com", "127.0.0.1"});
  CHECK(peer->pem() == content(own.certificate));
  CHECK((*PeerCertificate::from_der(peer->der()))->subject() == peer->subject());
  CHECK((*PeerCertificate::from_pem(peer->pem()))->der() == peer->der());
  CHECK_FALSE(PeerCertificate::from_pem("no certificate"));
}

TEST_CASE("a client certificate that does not verify ends the handshake") {
  Certificates certificates, others;
  const auto server = server_context(certificates, certificates.issue("proxy.example.com"));
  const bool is_self_signed = GENERATE(true, false);
  const auto bad = is_self_signed ? certificates.self_signed("foreman.example.com") : others.issue("foreman.example.com");
  const Pair pair = connect(*server, *client_context(certificates.ca_file(), bad), "proxy.example.com");
  const Ends ends = shake(pair);
  CHECK(ends.server == IoState::kFailed);
  CHECK_FALSE(pair.server->tls()->failure().empty());
  // The client sees the alert, not a silent close.
  char buffer[16];
  if (ends.client == IoState::kReady) CHECK(pair.client->read_some(buffer).state == IoState::kFailed);
  CHECK_THAT(pair.client->tls()->failure(), Catch::Contains("alert"));
}

TEST_CASE("a client checks the server's name, address and CA") {
  Certificates certificates, others;
  const auto server = server_context(certificates, certificates.issue("proxy.example.com"));
  const auto client_end = [&](const std::string& ca, const std::string& host) {
    return shake(connect(*server, *client_context(ca), host)).client;
  };
  CHECK(client_end(certificates.ca_file(), "proxy.example.com") == IoState::kReady);
  CHECK(client_end(certificates.ca_file(), "127.0.0.1") == IoState::kReady);
  CHECK(client_end(certificates.ca_file(), "other.example.com") == IoState::kFailed);
  CHECK(client_end(certificates.ca_file(), "127.0.0.2") == IoState::kFailed);
  CHECK(client_end(others.ca_file(), "proxy.example.com") == IoState::kFailed);
  CHECK(client_end("", "other.example.com") == IoState::kReady);
}

TEST_CASE("old versions are refused, disabled ones too") {
  Certificates certificates;
  const auto own = certificates.issue("proxy.example.com", Certificates::Key::kRsa);
  {
    OtherClient old;
    SSL_CTX_set_security_level(old.context, 0);
    SSL_CTX_set_max_proto_version(old.context, TLS1_1_VERSION);
    CHECK_FALSE(old.connect(*server_context(certificates, own)));
  }
  OtherClient modern;
  REQUIRE(modern.connect(*server_context(certificates, own)));
  CHECK(modern.version == "TLSv1.3");
  OtherClient fallback;
  REQUIRE(fallback.connect(*server_context(certificates, own, {"1.3", "1.0", "9"})));
  CHECK(fallback.version == "TLSv1.2");
  CHECK_FALSE(TlsServerContext::create({own.certificate, own.key, "", {}, {"1.2", "1.3"}}));
}

TEST_CASE("the server's cipher order rules, and disabled ciphers are gone") {
  Certificates certificates;
  const auto own = certificates.issue("proxy.example.com", Certificates::Key::kRsa);
  const auto cipher_with = [&](std::vector<std::string> disabled) {
    OtherClient client;
    SSL_CTX_set_max_proto_version(client.context, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(client.context, "AES256-SHA:AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256");
    const auto server = TlsServerContext::create({own.certificate, own.key, "", std::move(disabled), {}});
    REQUIRE(server);
    REQUIRE(client.connect(**server));
    return client.cipher;
  };
  CHECK(cipher_with({}) == "ECDHE-RSA-AES128-GCM-SHA256");
  CHECK(cipher_with({"ECDHE-RSA-AES128-GCM-SHA256"}) == "AES128-GCM-SHA256");
}

TEST_CASE("sessions are resumed, with the client's certificate") {
  Certificates certificates;
  const auto server = server_context(certificates, certificates.issue("proxy.example.com"));
  const auto own = certificates.issue("foreman.example.com");
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  OtherClient client;
  SSL_CTX_set_max_proto_version(client.context, version);
  REQUIRE(SSL_CTX_use_certificate_chain_file(client.context, own.certificate.c_str()) == 1);
  REQUIRE(SSL_CTX_use_PrivateKey_file(client.context, own.key.c_str(), SSL_FILETYPE_PEM) == 1);
  REQUIRE(client.connect(*server));
  CHECK_FALSE(client.was_resumed);
  REQUIRE(client.connect(*server));
  CHECK(client.was_resumed);
  REQUIRE(client.certificate);
  CHECK(client.certificate->common_name() == "foreman.example.com");
}

TEST_CASE("files that do not fit are refused with their name") {
  Certificates certificates;
  const auto one = certificates.issue("one.example.com");
  const auto two = certificates.issue("two.example.com");
  const auto mixed = TlsServerContext::create({one.certificate, two.key, "", {}, {}});
  REQUIRE_FALSE(mixed);
  CHECK_THAT(mixed.error().message(), Catch::Contains(two.key));
  const auto missing = TlsServerContext::create({one.certificate, one.key, "/nowhere/ca.pem", {}, {}});
  REQUIRE_FALSE(missing);
  CHECK_THAT(missing.error().message(), Catch::Contains("/nowhere/ca.pem"));
}

TEST_CASE("the common name is cut out as upstream does") {
  CHECK(common_name_of("/O=Example/CN=foreman.example.com/OU=x") == "foreman.example.com");
  CHECK(common_name_of("CN = spaced") == std::nullopt);
  CHECK(common_name_of("cn=Lower.Example.com, O=Example") == "Lower.Example.com");
  CHECK(common_name_of("/CN=/CN=second") == "second");
  CHECK(common_name_of("/CN=two words") == "two");
  CHECK(common_name_of("/O=Example") == std::nullopt);
  CHECK(common_name_of("") == std::nullopt);
}

TEST_CASE("a client follows its files, and keeps what works") {
  Certificates certificates;
  const auto server = server_context(certificates, certificates.issue("server.example.com"));
  const auto first = certificates.issue("first.example.com");
  const auto second = certificates.issue("second.example.com");
  const auto live = certificates.issue("live.example.com");
  const auto install = [&](const std::string& from, const std::string& to) {
    std::filesystem::copy_file(from, to + ".new", std::filesystem::copy_options::overwrite_existing);
    std::filesystem::rename(to + ".new", to);
  };
  install(first.certificate, live.certificate);
  install(first.key, live.key);
  const auto client = client_context(certificates.ca_file(), live);
  const auto shown = [&] {
    const Pair pair = connect(*server, *client, "server.example.com");
    const Ends ends = shake(pair);
    REQUIRE(ends.server == IoState::kReady);
    const auto certificate = pair.server->tls()->peer_certificate();
    REQUIRE(certificate);
    return certificate->common_name().value_or("");
  };
  const std::uint64_t generation = client->generation();
  CHECK(shown() == "first.example.com");
  // Half of the change is there: the pair does not fit.
  install(second.certificate, live.certificate);
  CHECK(shown() == "first.example.com");
  CHECK(client->generation() == generation);
  install(second.key, live.key);
  CHECK(shown() == "second.example.com");
  CHECK(client->generation() != generation);
  std::filesystem::remove(live.key);
  CHECK(shown() == "second.example.com");
}
