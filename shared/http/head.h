// The strict parser of message heads (RFC 9112). Nothing else in the tree looks at unparsed heads.
//
// Strict: CRLF line ends only, token names without white space before the colon, no control bytes, no folded
// lines, one Content-Length or `Transfer-Encoding: chunked` and never both, one Host, origin-form targets only.
// Pure functions of their input: no I/O, no clock, no allocation beyond the result.
//
// Threads: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "shared/http/message.h"

namespace dynflow::http {

constexpr std::size_t kMaxStartLine = 8 * 1024;   // without its CRLF
constexpr std::size_t kMaxHead = 112 * 1024;      // as upstream's WEBrick (spec/proxy-and-shim 1.9)
constexpr std::size_t kMaxFields = 200;

// Why a message was refused. `reason` is a literal.
struct Reject {
  int status;               // 400, 414, 417, 431, 501 or 505
  std::string_view reason;
};

enum class BodyKind {
  kNone,        // there is none
  kLength,      // content_length bytes
  kChunked,
  kUntilClose,  // responses only: ends with the connection
};

struct RequestHead {
  std::string method;
  std::string target;
  Headers headers;
  BodyKind body = BodyKind::kNone;
  std::uint64_t content_length = 0;
  bool is_http_10 = false;
  bool keep_alive = true;           // what the client wants
  bool expects_continue = false;
};

struct ResponseHead {
  int status = 0;
  std::string reason;
  Headers headers;
  BodyKind body = BodyKind::kNone;  // by the header alone; HEAD, 204 and 304 have none whatever stands here
  std::uint64_t content_length = 0; // 0 unless a Content-Length was given
  bool has_content_length = false;
  bool keep_alive = true;           // the connection may be used again after the body
};

// Finds where a head ends while its bytes arrive, and refuses early what can only become too big or wrong.
class HeadScanner {
 public:
  // `bytes` is everything from the first byte of the head, each time. Result: the size of the head with its empty
  // line; 0 = more bytes needed; or why not. Looks at each byte once.
  std::variant<std::size_t, Reject> scan(std::string_view bytes);
  void reset() { *this = HeadScanner(); }

 private:
  std::size_t scanned_ = 0;     // bytes looked at
  std::size_t line_start_ = 0;
  std::size_t lines_ = 0;       // complete lines so far
};

// `head` is what HeadScanner delimited, with the empty line.
std::variant<RequestHead, Reject> parse_request_head(std::string_view head);
std::variant<ResponseHead, Reject> parse_response_head(std::string_view head);

// Header values that may be written: no CR, LF, NUL or other control bytes except tab.
bool is_clean_value(std::string_view value);
bool is_token(std::string_view text);
// True when the comma list `value` has `token` in it, case-insensitive.
bool has_list_token(std::string_view value, std::string_view token);
// Fields that speak about one connection only and are never passed on (RFC 9110, 7.6.1).
bool is_hop_by_hop(std::string_view name);

}  // namespace dynflow::http
