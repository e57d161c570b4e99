// Heads of responses, as the relay and the client of Foreman read them.
#include <variant>

#include "shared/http/head.h"
#include "tests/fuzz/target.h"

using namespace dynflow::http;

void fuzz(std::string_view bytes) {
  HeadScanner scanner;
  const auto end = scanner.scan(bytes);
  const auto* size = std::get_if<std::size_t>(&end);
  if (size == nullptr || *size == 0) return;
  const auto parsed = parse_response_head(bytes.substr(0, *size));
  const auto* head = std::get_if<ResponseHead>(&parsed);
  if (head == nullptr) return;
  fuzz_check(head->status >= 100 && head->status <= 999);
  fuzz_check(head->headers.size() <= kMaxFields);
  for (const auto& [name, value] : head->headers) fuzz_check(is_token(name) && is_clean_value(value));
  if (head->body == BodyKind::kLength) fuzz_check(head->has_content_length);
  if (head->body == BodyKind::kChunked) fuzz_check(!head->has_content_length);
}
