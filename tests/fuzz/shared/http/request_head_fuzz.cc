// Heads of requests, as the server delimits and parses them while they arrive.
#include <strings.h>

#include <algorithm>
#include <variant>

#include "shared/http/head.h"
#include "tests/fuzz/target.h"

using namespace dynflow::http;

void fuzz(std::string_view bytes) {
  HeadScanner at_once;
  const auto whole = at_once.scan(bytes);
  // Byte by byte gives the same end.
  HeadScanner slow;
  std::variant<std::size_t, Reject> end = std::size_t{0};
  for (std::size_t size = 1; size <= std::min<std::size_t>(bytes.size(), 2048); ++size) {
    end = slow.scan(bytes.substr(0, size));
    if (std::holds_alternative<Reject>(end) || std::get<std::size_t>(end) != 0) break;
  }
  if (bytes.size() <= 2048 && !bytes.empty()) {
    fuzz_check(end.index() == whole.index());
    if (end.index() == 0) fuzz_check(std::get<0>(end) == std::get<0>(whole));
  }
  const auto* size = std::get_if<std::size_t>(&whole);
  if (size == nullptr || *size == 0) return;
  fuzz_check(*size <= bytes.size() && *size <= kMaxHead);

  const auto parsed = parse_request_head(bytes.substr(0, *size));
  const auto* head = std::get_if<RequestHead>(&parsed);
  if (head == nullptr) {
    fuzz_check(std::get<Reject>(parsed).status >= 400);
    return;
  }
  fuzz_check(is_token(head->method) && !head->target.empty());
  fuzz_check(head->headers.size() <= kMaxFields);
  int lengths = 0;
  int codings = 0;
  int hosts = 0;
  for (const auto& [name, value] : head->headers) {
    fuzz_check(is_token(name) && is_clean_value(value));
    lengths += strncasecmp(name.c_str(), "content-length", 15) == 0;
    codings += strncasecmp(name.c_str(), "transfer-encoding", 18) == 0;
    hosts += strncasecmp(name.c_str(), "host", 5) == 0;
  }
  // What a smuggled request needs: two readings of where the body ends.
  fuzz_check(lengths == 0 || codings == 0);
  fuzz_check(hosts <= 1);
  fuzz_check(head->is_http_10 || hosts == 1);
  if (head->body == BodyKind::kChunked) fuzz_check(codings == 1);
  if (head->body == BodyKind::kLength) fuzz_check(lengths >= 1);
  fuzz_check(head->body != BodyKind::kUntilClose);
}
