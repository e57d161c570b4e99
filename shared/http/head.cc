#include "shared/http/head.h"

#include <strings.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace dynflow::http {
namespace {

constexpr auto kTokenBytes = [] {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<std::size_t>(c)] = true;
  return table;
}();

constexpr Reject bad(std::string_view reason) { return {400, reason}; }

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "HTTP/1.1" and "HTTP/1.0" only.
std::optional<Reject> check_version(std::string_view version) {
  if (version == "HTTP/1.1" || version == "HTTP/1.0") return std::nullopt;
  const bool is_other = version.size() == 8 && version.substr(0, 5) == "HTTP/" && is_digits(version.substr(5, 1)) &&
                        version[6] == '.' && is_digits(version.substr(7));
  return is_other ? Reject{505, "only HTTP/1.0 and HTTP/1.1 are spoken here"} : bad("malformed HTTP version");
}

// What the fields say about the message as a whole.
struct Framing {
  BodyKind body = BodyKind::kNone;
  std::uint64_t content_length = 0;
  bool has_content_length = false;
  bool has_coding = false;
  bool has_close = false;
  bool has_keep_alive = false;
  int hosts = 0;
  std::string_view expect;
};

std::optional<Reject> note_length(std::string_view value, Framing& framing) {
  if (framing.has_content_length) return bad("more than one Content-Length");
  // 18 digits never overflow, and no body is that long.
  if (!is_digits(value) || value.size() > 18) return bad("malformed Content-Length");
  framing.has_content_length = true;
  for (const char c : value) framing.content_length = framing.content_length * 10 + static_cast<std::uint64_t>(c - '0');
  return std::nullopt;
}

std::optional<Reject> note_field(std::string_view name, std::string_view value, Framing& framing) {
  switch (name.size()) {
    case 4:
      if (!same(name, "host")) break;
      if (++framing.hosts > 1) return bad("more than one Host");
      if (value.find_first_of(" \t,/@") != std::string_view::npos) return bad("malformed Host");
      break;
    case 6:
      if (same(name, "expect")) framing.expect = value;
      break;
    case 10:
      if (!same(name, "connection")) break;
      framing.has_close = framing.has_close || has_list_token(value, "close");
      framing.has_keep_alive = framing.has_keep_alive || has_list_token(value, "keep-alive");
      break;
    case 14:
      if (same(name, "content-length")) return note_length(value, framing);
      break;
    case 17:
      if (!same(name, "transfer-encoding")) break;
      if (framing.has_coding) return bad("more than one Transfer-Encoding");
      if (!same(value, "chunked")) return Reject{501, "no transfer coding but chunked is understood"};
      framing.has_coding = true;
      break;
    default: break;
  }
  return std::nullopt;
}

// The lines behind the start line, up to the empty one.
// Room for the fields of usual messages, so that they move but once.
constexpr std::size_t kUsualFields = 12;

std::optional<Reject> parse_fields(std::string_view lines, Headers& headers, Framing& framing) {
  headers.reserve(kUsualFields);
  while (!lines.empty()) {
    const std::size_t end = lines.find("\r\n");
    if (end == std::string_view::npos) return bad("unfinished line");
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end + 2);
    if (line.empty()) return lines.empty() ? std::nullopt : std::optional<Reject>(bad("bytes behind the head"));
    if (line.front() == ' ' || line.front() == '\t') return bad("folded header line");
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return bad("header line without colon");
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trim(line.substr(colon + 1));
    if (!is_token(name)) return bad("malformed header name");
    if (!is_clean_value(value)) return bad("control byte in a header value");
    if (headers.size() == kMaxFields) return Reject{431, "too many header fields"};
    if (auto reject = note_field(name, value, framing)) return reject;
    headers.add(std::string(name), std::string(value));
  }
  return bad("head without end");
}

std::optional<Reject> settle_body(Framing& framing, bool is_http_10) {
  if (framing.has_coding && framing.has_content_length) return bad("Content-Length and Transfer-Encoding");
  if (framing.has_coding && is_http_10) return bad("Transfer-Encoding in HTTP/1.0");
  if (framing.has_coding) framing.body = BodyKind::kChunked;
  if (framing.content_length > 0) framing.body = BodyKind::kLength;
  return std::nullopt;
}

bool is_known_method(std::string_view method) {
  static constexpr std::array<std::string_view, 7> kMethods = {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"};
  return std::find(kMethods.begin(), kMethods.end(), method) != kMethods.end();
}

std::optional<Reject> check_target(std::string_view target) {
  if (target.empty() || target.front() != '/') return bad("the target must start with a slash");
  const bool is_clean = std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c < 0x7F && c != '#'; });
  return is_clean ? std::nullopt : std::optional<Reject>(bad("forbidden byte in the target"));
}

}  // namespace

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return kTokenBytes[static_cast<unsigned char>(c)]; });
}

bool is_clean_value(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7F) || byte == '\t';
  });
}

bool has_list_token(std::string_view value, std::string_view token) {
  while (!value.empty()) {
    const std::string_view item = value.substr(0, value.find(','));
    if (same(trim(item), token)) return true;
    value.remove_prefix(std::min(value.size(), item.size() + 1));
  }
  return false;
}

bool is_hop_by_hop(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kNames = {
      "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
      "te", "trailer", "transfer-encoding", "upgrade"};
  return std::any_of(kNames.begin(), kNames.end(), [&](std::string_view hop) { return same(hop, name); });
}

std::variant<std::size_t, Reject> HeadScanner::scan(std::string_view bytes) {
  while (scanned_ < bytes.size()) {
    const void* found = std::memchr(bytes.data() + scanned_, '\n', bytes.size() - scanned_);
    if (found == nullptr) {
      scanned_ = bytes.size();
      break;
    }
    const auto feed = static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
    if (feed == line_start_ || bytes[feed - 1] != '\r') return bad("line without CR");
    const std::size_t length = feed - 1 - line_start_;
    if (lines_ == 0 && length > kMaxStartLine) return Reject{414, "request line too long"};
    if (lines_ == 0 && length == 0) return bad("empty start line");
    if (feed + 1 > kMaxHead) return Reject{431, "head too long"};
    scanned_ = line_start_ = feed + 1;
    if (length == 0) return scanned_;
    // The start line is not a field.
    if (++lines_ > kMaxFields + 1) return Reject{431, "too many header fields"};
  }
  if (lines_ == 0 && scanned_ > kMaxStartLine + 2) return Reject{414, "request line too long"};
  if (scanned_ > kMaxHead) return Reject{431, "head too long"};
  return std::size_t{0};
}

std::variant<RequestHead, Reject> parse_request_head(std::string_view head) {
  const std::size_t end = head.find("\r\n");
  if (end == std::string_view::npos) return bad("unfinished line");
  const std::string_view line = head.substr(0, end);
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return bad("malformed request line");
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(method)) return bad("malformed method");
  if (auto reject = check_version(version)) return *reject;
  if (!is_known_method(method)) return Reject{501, "unknown method"};
  if (auto reject = check_target(target)) return *reject;

  RequestHead result;
  result.is_http_10 = version == "HTTP/1.0";
  Framing framing;
  if (auto reject = parse_fields(head.substr(end + 2), result.headers, framing)) return *reject;
  if (auto reject = settle_body(framing, result.is_http_10)) return *reject;
  if (framing.hosts == 0 && !result.is_http_10) return bad("no Host");
  if (!framing.expect.empty() && !result.is_http_10) {
    if (!same(framing.expect, "100-continue")) return Reject{417, "unknown expectation"};
    result.expects_continue = framing.body != BodyKind::kNone;
  }
  result.method = method;
  result.target = target;
  result.body = framing.body;
  result.content_length = framing.content_length;
  result.keep_alive = !framing.has_close && (!result.is_http_10 || framing.has_keep_alive);
  return result;
}

std::variant<ResponseHead, Reject> parse_response_head(std::string_view head) {
  const std::size_t end = head.find("\r\n");
  if (end == std::string_view::npos) return bad("unfinished line");
  const std::string_view line = head.substr(0, end);
  // "HTTP/1.1 200" with or without a space and a phrase behind it.
  if (line.size() < 12 || line[8] != ' ' || (line.size() > 12 && line[12] != ' ')) return bad("malformed status line");
  if (auto reject = check_version(line.substr(0, 8))) return *reject;
  const std::string_view digits = line.substr(9, 3);
  if (!is_digits(digits) || digits[0] < '1' || digits[0] > '5') return bad("malformed status");
  const std::string_view phrase = line.size() > 13 ? line.substr(13) : std::string_view();
  if (!is_clean_value(phrase)) return bad("control byte in the reason phrase");

  ResponseHead result;
  const bool is_http_10 = line[7] == '0';
  result.status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
  result.reason = phrase;
  Framing framing;
  if (auto reject = parse_fields(head.substr(end + 2), result.headers, framing)) return *reject;
  if (auto reject = settle_body(framing, is_http_10)) return *reject;
  const bool is_framed = framing.has_coding || framing.has_content_length;
  result.body = is_framed ? framing.body : BodyKind::kUntilClose;
  result.content_length = framing.content_length;
  result.has_content_length = framing.has_content_length;
  result.keep_alive = !framing.has_close && (!is_http_10 || framing.has_keep_alive);
  return result;
}

}  // namespace dynflow::http
