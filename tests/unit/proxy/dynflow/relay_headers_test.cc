#include "proxy/dynflow/relay_headers.h"

#include <catch2/catch.hpp>

#include "shared/base/base64.h"
#include "shared/net/peer_certificate.h"
#include "tests/unit/proxy/certificates.h"

using namespace dynflow;
using namespace dynflow::proxy;

namespace {

const CoreUrl kCore{false, "127.0.0.1", 8008, ""};

http::Request request_with(std::initializer_list<std::pair<const char*, const char*>> fields) {
  http::Request request;
  request.method = "GET";
  request.request_id = "id-1";
  request.session_id = "session-1";
  request.local_address = "192.0.2.1:8000";
  request.peer.address = "192.0.2.7";
  for (const auto& [name, value] : fields) request.headers.add(name, value);
  return request;
}

std::size_t count(const http::Headers& headers, std::string_view wanted) {
  std::size_t found = 0;
  for (const auto& [name, value] : headers) found += name == wanted ? 1 : 0;
  return found;
}

}  // namespace

TEST_CASE("core_url is taken apart", "[relay_headers]") {
  struct Row {
    const char* url;
    const char* origin;
    const char* base;
  };
  for (const Row row : {Row{"http://localhost:8008", "http://localhost:8008", ""}, Row{"HTTPS://core.example.com/", "https://core.example.com:443", ""},
                        Row{"http://[::1]:8008/base/", "http://[::1]:8008", "/base"}, Row{"http://[::1]", "http://[::1]:80", ""}}) {
    INFO(row.url);
    const auto parsed = parse_core_url(row.url);
    REQUIRE(parsed);
    CHECK(parsed->origin() == row.origin);
    CHECK(parsed->base_path == row.base);
  }
  for (const char* url : {"", "localhost:8008", "ftp://x", "http://", "http://:8008", "http://x:0", "http://x:99999", "http://x:", "http://x:8a",
                          "http://user@x", "http://x?y", "http://x y"}) {
    INFO(url);
    CHECK_FALSE(parse_core_url(url));
  }
}

TEST_CASE("targets lose one mount point and nothing else", "[relay_headers]") {
  CHECK(core_target("/dynflow", "") == "/");
  CHECK(core_target("/dynflow?x=1", "") == "/?x=1");
  CHECK(core_target("/dynflow/", "") == "/");
  CHECK(core_target("/dynflow/tasks/%63ount?a[]=1&a[]=2&q=", "") == "/tasks/%63ount?a[]=1&a[]=2&q=");
  CHECK(core_target("/dynflow/a/dynflow/b", "/base") == "/base/a/dynflow/b");
  CHECK(core_target("/dynflow/../version", "") == "/../version");
  CHECK_FALSE(core_target("/%64ynflow/tasks", ""));
  CHECK_FALSE(core_target("/dynflowx", ""));
  CHECK_FALSE(core_target("/dynflow%2Ftasks", ""));
}

TEST_CASE("end-to-end fields reach the core, those of the connection do not", "[relay_headers]") {
  const auto out = headers_for_core(
      request_with({{"Host", "proxy.example.com:8000"}, {"Accept", "application/json"}, {"Cookie", "a=b"}, {"Cookie", "c=d"},
                    {"Content-Type", "text/plain"}, {"Authorization", "Basic eA=="}, {"Connection", "keep-alive, X-Mine ,,"}, {"X-Mine", "1"},
                    {"Keep-Alive", "timeout=5"}, {"TE", "trailers"}, {"Transfer-Encoding", "chunked"}, {"Content-Length", "4"},
                    {"Upgrade", "websocket"}, {"Expect", "100-continue"}, {"Proxy-Authorization", "x"}, {"Trailer", "X"}}),
      kCore);
  CHECK(out.get("Host") == "127.0.0.1:8008");
  CHECK(out.get("Accept") == "application/json");
  CHECK(count(out, "Cookie") == 2);
  CHECK(out.get("Content-Type") == "text/plain");
  CHECK(out.get("Authorization") == "Basic eA==");
  for (const char* gone : {"Connection", "X-Mine", "Keep-Alive", "TE", "Transfer-Encoding", "Content-Length", "Upgrade", "Expect",
                           "Proxy-Authorization", "Trailer"}) {
    INFO(gone);
    CHECK_FALSE(out.has(gone));
  }
}

TEST_CASE("who the client is comes from the connection alone", "[relay_headers]") {
  const auto out = headers_for_core(
      request_with({{"Host", "proxy.example.com:8000"}, {"Client-Cert", ":Zm9v:"}, {"client_cert", ":Zm9v:"}, {"Client-Cert-Chain", "x"},
                    {"Forwarded", "for=1.2.3.4"}, {"X-Forwarded-For", "1.2.3.4"}, {"X_Forwarded_For", "1.2.3.4"}, {"X-Forwarded-Host", "evil"},
                    {"X-Forwarded-Anything", "evil"}, {"X-Real-IP", "1.2.3.4"}, {"SSL_CLIENT_CERT", "x"}, {"X-SSL-Client-CN", "x"},
                    {"REMOTE_ADDR", "1.2.3.4"}, {"X-Request-Id", "id-1"}, {"X_Request_Id", "other"}}),
      kCore);
  CHECK(out.get("Forwarded") == R"(for="192.0.2.7";host="proxy.example.com:8000";proto=http)");
  CHECK(out.get("X-Forwarded-For") == "proxy.example.com:8000");
  CHECK(count(out, "X-Forwarded-For") == 1);
  CHECK(out.get("X-Forwarded-Host") == "proxy.example.com:8000");
  CHECK(out.get("X-Forwarded-Proto") == "http");
  CHECK(out.get("X-Forwarded-Port") == "8000");
  CHECK(out.get("X-Forwarded-Prefix") == "/dynflow");
  CHECK(out.get("X-Real-IP") == "192.0.2.7");
  CHECK(out.get("X-Request-Id") == "id-1");
  CHECK(out.get("X-Session-Id") == "session-1");
  for (const char* gone : {"Client-Cert", "client_cert", "Client-Cert-Chain", "X_Forwarded_For", "X-Forwarded-Anything", "SSL_CLIENT_CERT",
                           "X-SSL-Client-CN", "REMOTE_ADDR", "X_Request_Id"}) {
    INFO(gone);
    CHECK_FALSE(out.has(gone));
  }
}

TEST_CASE("Connection cannot take away what the relay sets", "[relay_headers]") {
  auto request = request_with({{"Host", "p"}, {"Connection", "X-Forwarded-For, Client-Cert, X-Request-Id, Host"}});
  request.peer.is_tls = true;
  request.peer.certificate = *net::PeerCertificate::from_pem(kForemanPem);
  const auto out = headers_for_core(request, kCore);
  CHECK(out.get("X-Forwarded-For") == "p");
  CHECK(out.get("X-Request-Id") == "id-1");
  CHECK(out.get("Host") == "127.0.0.1:8008");
  CHECK(out.get("X-Forwarded-Proto") == "https");
  CHECK(out.get("X-Forwarded-Port") == "443");
  REQUIRE(out.has("Client-Cert"));
  const std::string field(*out.get("Client-Cert"));
  REQUIRE(field.size() > 2);
  CHECK((field.front() == ':' && field.back() == ':'));
  CHECK(base64_decode(std::string_view(field).substr(1, field.size() - 2)) == request.peer.certificate->der());
}

// The front door opens for who shows a task's password. A core that does not see the password takes the request for one of the proxy's own.
TEST_CASE("Connection cannot take away what opened the door", "[relay_headers]") {
  for (const char* named : {"Authorization", "close, authorization", "AUTHORIZATION"}) {
    INFO(named);
    const auto out = headers_for_core(request_with({{"Host", "p"}, {"Authorization", "Basic eA=="}, {"Connection", named}}), kCore);
    CHECK(out.get("Authorization") == "Basic eA==");
  }
}

TEST_CASE("IPv6 peers are written as RFC 7239 wants them", "[relay_headers]") {
  auto request = request_with({{"Host", "[2001:db8::2]:9090"}});
  request.peer.address = "fe80::1%eth0";
  const auto out = headers_for_core(request, kCore);
  CHECK(out.get("Forwarded") == R"(for="[fe80::1]";host="[2001:db8::2]:9090";proto=http)");
  CHECK(out.get("X-Forwarded-Port") == "9090");
}

TEST_CASE("answers keep their fields but those of the connection", "[relay_headers]") {
  http::Headers from_core;
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"Content-Type", "text/html;charset=utf-8"}, {"Set-Cookie", "a=b"}, {"Set-Cookie", "c=d"}, {"X-Core", "yes"},
           {"Connection", "close, x-drop"}, {"X-Drop", "1"}, {"Transfer-Encoding", "chunked"}, {"Content-Length", "3"}, {"Server", "core"},
           {"Date", "x"}, {"Location", "http://127.0.0.1:8008/console/worlds"}}) {
    from_core.add(name, value);
  }
  const auto out = headers_for_client(from_core, kCore, "proxy:8000");
  CHECK(out.get("Content-Type") == "text/html;charset=utf-8");
  CHECK(count(out, "Set-Cookie") == 2);
  CHECK(out.get("X-Core") == "yes");
  CHECK(out.get("Location") == "/dynflow/console/worlds");
  CHECK(out.size() == 5);
}

TEST_CASE("references to the core point below the mount point", "[relay_headers]") {
  const CoreUrl based{true, "core.example.com", 443, "/base"};
  struct Row {
    const CoreUrl& core;
    const char* location;
    const char* outside;
  };
  for (const Row& row : {Row{kCore, "http://127.0.0.1:8008/console/worlds?x=1#y", "/dynflow/console/worlds?x=1#y"},
                         Row{kCore, "http://127.0.0.1:8008", "/dynflow/"},
                         Row{kCore, "/console", "/dynflow/console"},
                         Row{kCore, "/dynflow/console", "/dynflow/console"},
                         Row{kCore, "http://Proxy:8000/console", "/dynflow/console"},
                         Row{kCore, "http://proxy:8000/dynflow/console", "/dynflow/console"},
                         Row{kCore, "worlds", "worlds"},
                         Row{kCore, "https://elsewhere.example.com/console", "https://elsewhere.example.com/console"},
                         Row{kCore, "//elsewhere/console", "//elsewhere/console"},
                         Row{kCore, "http://127.0.0.1:9/console", "http://127.0.0.1:9/console"},
                         Row{based, "https://core.example.com/base/console", "/dynflow/console"},
                         Row{based, "/baseless", "/dynflow/baseless"}}) {
    INFO(row.location);
    CHECK(outside_location(row.location, row.core, "proxy:8000") == row.outside);
  }
}

TEST_CASE("a question of the proxy's own names nobody", "[relay_headers]") {
  http::Request question = request_with({});
  question.local_address.clear();
  question.peer.address.clear();
  const http::Headers headers = headers_for_core(question, kCore, "/dynflow");
  CHECK(headers.get("Host") == "127.0.0.1:8008");
  CHECK(headers.get("X-Request-Id") == "id-1");
  for (const auto& [name, value] : headers) {
    INFO(name);
    CHECK(name.substr(0, 12) != "X-Forwarded-");
    CHECK(name != "Forwarded");
    CHECK_FALSE(value.empty());
  }
  // A client may send an empty Host.
  CHECK(headers_for_core(request_with({{"Host", ""}}), kCore, "/dynflow").get("X-Forwarded-Host") == "192.0.2.1:8000");
}
