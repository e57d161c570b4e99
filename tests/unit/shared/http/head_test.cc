#include "shared/http/head.h"

#include <catch2/catch.hpp>

using namespace dynflow::http;

namespace {

// The status of the refusal, or 200.
int verdict(std::string_view head) {
  const auto parsed = parse_request_head(head);
  const auto* reject = std::get_if<Reject>(&parsed);
  return reject != nullptr ? reject->status : 200;
}

RequestHead parsed(std::string_view head) { return std::get<RequestHead>(parse_request_head(head)); }

std::string with(std::string_view field) { return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(field) + "\r\n\r\n"; }

}  // namespace

TEST_CASE("a plain request is taken apart") {
  const RequestHead head = parsed(
      "POST /dynflow/tasks/launch?a=%0d%0ab HTTP/1.1\r\nHost: proxy:8443\r\nX-Value:  a%0d%0ab \t\r\ncontent-length: 12\r\n\r\n");
  CHECK(head.method == "POST");
  CHECK(head.target == "/dynflow/tasks/launch?a=%0d%0ab");
  CHECK(head.headers.get("x-value") == "a%0d%0ab");
  CHECK(head.body == BodyKind::kLength);
  CHECK(head.content_length == 12);
  CHECK(head.keep_alive);
}

TEST_CASE("request heads: what is refused, and how") {
  struct Row {
    std::string head;
    int status;
  };
  const std::vector<Row> rows = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200},
      {"GET / HTTP/1.0\r\n\r\n", 200},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
      {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/1.1x\r\nHost: a\r\n\r\n", 400},
      {"GET /\r\nHost: a\r\n\r\n", 400},
      {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET / x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
      {"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
      {"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
      {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {with("Host: b"), 400},
      {with("Host: a b"), 400},
      {with("Name : value"), 400},
      {with("Content-Length : 5"), 400},
      {with(": value"), 400},
      {with("no colon"), 400},
      {with("A: b\r\n folded"), 400},
      {with("A: b\r\n\tfolded"), 400},
      {with(std::string("A: b\0c", 6)), 400},
      {with("A: b\rc"), 400},
      {with("A: b\x01"), 400},
      {with("A: b\x7f"), 400},
      {with("A: b\tc \xc3\xa4"), 200},
      {with("A:"), 200},
      {with("Content-Length: 5\r\nContent-Length: 5"), 400},
      {with("Content-Length: 5, 5"), 400},
      {with("Content-Length: +5"), 400},
      {with("Content-Length: -5"), 400},
      {with("Content-Length: 0x5"), 400},
      {with("Content-Length:"), 400},
      {with("Content-Length: 99999999999999999999"), 400},
      {with("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400},
      {with("Transfer-Encoding: chunked\r\nContent-Length: 0"), 400},
      {with("Transfer-Encoding: chunked"), 200},
      {with("Transfer-Encoding: CHUNKED"), 200},
      {with("Transfer-Encoding: gzip, chunked"), 501},
      {with("Transfer-Encoding: identity"), 501},
      {with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {with("Expect: 100-continue"), 200},
      {with("Expect: the unexpected"), 417},
      {"GET / HTTP/1.1\nHost: a\n\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\n", 400},
      {"", 400},
  };
  for (const Row& row : rows) {
    CAPTURE(row.head);
    CHECK(verdict(row.head) == row.status);
  }
}

TEST_CASE("keep-alive is the default of 1.1 and the exception of 1.0") {
  CHECK_FALSE(parsed(with("Connection: Close")).keep_alive);
  CHECK_FALSE(parsed(with("Connection: x, close")).keep_alive);
  CHECK_FALSE(parsed("GET / HTTP/1.0\r\n\r\n").keep_alive);
  CHECK(parsed("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
}

TEST_CASE("only who sends a body waits for a go-ahead") {
  CHECK_FALSE(parsed(with("Expect: 100-continue")).expects_continue);
  CHECK(parsed(with("Expect: 100-Continue\r\nContent-Length: 1")).expects_continue);
  CHECK_FALSE(parsed("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n").expects_continue);
}

TEST_CASE("the end of a head is found however its bytes arrive") {
  const std::string head = with("A: b");
  const std::string all = head + "body";
  HeadScanner at_once;
  CHECK(std::get<std::size_t>(at_once.scan(all)) == head.size());
  HeadScanner byte_by_byte;
  for (std::size_t size = 0; size < head.size(); ++size) {
    CHECK(std::get<std::size_t>(byte_by_byte.scan(all.substr(0, size))) == 0);
  }
  CHECK(std::get<std::size_t>(byte_by_byte.scan(head)) == head.size());
}

TEST_CASE("heads that can only become too big are refused before they end") {
  const auto status = [](std::string_view bytes) {
    const auto scanned = HeadScanner().scan(bytes);
    const auto* reject = std::get_if<Reject>(&scanned);
    return reject != nullptr ? reject->status : 0;
  };
  const std::string line = "GET / HTTP/1.1\r\n";
  std::string fields;
  for (std::size_t i = 0; i <= kMaxFields; ++i) fields += "A: b\r\n";
  CHECK(status("GET /" + std::string(kMaxStartLine, 'a')) == 414);
  CHECK(status("GET /" + std::string(kMaxStartLine - 20, 'a')) == 0);
  CHECK(status(line + "A: " + std::string(kMaxHead, 'a')) == 431);
  CHECK(status(line + fields) == 431);
  CHECK(status(line + fields.substr(6)) == 0);
  CHECK(status("GET / HTTP/1.1\n") == 400);
  CHECK(status("\r\n") == 400);
  CHECK(status(line + "A: b\n") == 400);
  CHECK(status(line + "\n") == 400);
}

TEST_CASE("answers are parsed as strictly") {
  const auto good = [](std::string_view text) { return std::get<ResponseHead>(parse_response_head(text)); };
  const auto is_bad = [](std::string_view text) { return std::holds_alternative<Reject>(parse_response_head(text)); };
  const ResponseHead ok = good("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
  CHECK(ok.status == 200);
  CHECK(ok.reason == "OK");
  CHECK(ok.body == BodyKind::kLength);
  CHECK(ok.keep_alive);
  CHECK(good("HTTP/1.1 204\r\n\r\n").status == 204);
  CHECK(good("HTTP/1.1 200 \r\n\r\n").body == BodyKind::kUntilClose);
  CHECK(good("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").body == BodyKind::kNone);
  CHECK(good("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").body == BodyKind::kChunked);
  CHECK_FALSE(good("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").keep_alive);
  CHECK(is_bad("HTTP/1.1 20 OK\r\n\r\n"));
  CHECK(is_bad("HTTP/1.1 099 OK\r\n\r\n"));
  CHECK(is_bad("HTTP/1.1 2000\r\n\r\n"));
  CHECK(is_bad("HTTP/2 200 OK\r\n\r\n"));
  CHECK(is_bad("ICY 200 OK\r\n\r\n"));
  CHECK(is_bad("HTTP/1.1 200 O\rK\r\n\r\n"));
  CHECK(is_bad("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n"));
  CHECK(is_bad("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"));
}

TEST_CASE("list tokens and hop-by-hop names") {
  CHECK(has_list_token("a, Close ,b", "close"));
  CHECK_FALSE(has_list_token("closed", "close"));
  CHECK_FALSE(has_list_token("", "close"));
  CHECK(is_hop_by_hop("Transfer-Encoding"));
  CHECK_FALSE(is_hop_by_hop("Content-Type"));
}
