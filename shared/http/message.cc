#include "shared/http/message.h"

#include <strings.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "shared/net/peer_certificate.h"

namespace dynflow::http {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

class TextBody final : public BodyStream {
 public:
  explicit TextBody(std::string text) : text_(std::move(text)) {}

  Result<std::size_t> read(std::span<char> buffer) override {
    const std::size_t count = std::min(buffer.size(), text_.size() - at_);
    if (count > 0) std::memcpy(buffer.data(), text_.data() + at_, count);
    at_ += count;
    return count;
  }
  std::optional<std::uint64_t> length() const override { return text_.size(); }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

// The length of the valid UTF-8 sequence at the start of `text`, or 0.
std::size_t utf8_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (size == 0 || size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (size == 3 && ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F))) return 0;
  if (size == 4 && ((lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F))) return 0;
  return size;
}

// Messages may carry bytes of a peer. What is not UTF-8 becomes U+FFFD: the answer must be valid JSON.
std::string json_string(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t size = utf8_sequence(text);
    if (size == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
      continue;
    }
    const char c = text[0];
    if (size > 1) {
      out += text.substr(0, size);
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += c == '\n' ? "\\n" : std::string("\\u00") + kHex[static_cast<unsigned char>(c) >> 4] + kHex[c & 15];
    } else {
      out += c;
    }
    text.remove_prefix(size);
  }
  out += '"';
  return out;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::optional<std::string_view> Headers::get(std::string_view name) const {
  for (const Field& field : fields_) {
    if (same_name(field.first, name)) return field.second;
  }
  return std::nullopt;
}

void Headers::set(std::string_view name, std::string value) {
  const auto first = std::find_if(fields_.begin(), fields_.end(), [&](const Field& f) { return same_name(f.first, name); });
  if (first == fields_.end()) {
    fields_.emplace_back(std::string(name), std::move(value));
    return;
  }
  first->second = std::move(value);
  fields_.erase(std::remove_if(first + 1, fields_.end(), [&](const Field& f) { return same_name(f.first, name); }),
                fields_.end());
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_, [&](const Field& field) { return same_name(field.first, name); });
}

std::unique_ptr<BodyStream> body_of(std::string text) { return std::make_unique<TextBody>(std::move(text)); }

Result<std::string> read_all(BodyStream& stream, std::size_t limit) {
  const std::optional<std::uint64_t> length = stream.length();
  if (length && *length > limit) return Error(Code::kTooLarge, "the body is longer than " + std::to_string(limit) + " bytes");
  std::string text;
  std::size_t used = 0;
  for (;;) {
    // One byte more than the limit tells "exactly as long" from "longer".
    const std::size_t wanted = length ? static_cast<std::size_t>(*length) + 1 : std::max<std::size_t>(used * 2, 16384);
    text.resize(std::min(std::max(wanted, used + 1), limit + 1));
    auto got = stream.read(std::span(text).subspan(used));
    if (!got) return got.error();
    if (*got == 0) break;
    used += *got;
    if (used > limit) return Error(Code::kTooLarge, "the body is longer than " + std::to_string(limit) + " bytes");
  }
  text.resize(used);
  return text;
}

Result<std::string> Request::read_body(std::size_t limit) { return read_all(*body, limit); }

std::vector<std::string> Request::query_values(std::string_view name) const {
  std::vector<std::string> values;
  std::string_view rest = query;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    if (percent_decode(pair.substr(0, equals), true) != name) continue;
    values.push_back(equals == std::string_view::npos ? std::string() : percent_decode(pair.substr(equals + 1), true));
  }
  return values;
}

std::string describe(const Peer& peer) {
  const auto name = peer.certificate ? peer.certificate->common_name() : std::nullopt;
  return name ? *name + " (" + peer.address + ")" : peer.address;
}

Response text_response(int status, std::string body, std::string_view content_type) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", std::string(content_type));
  response.body = std::move(body);
  return response;
}

Response error_response(int status, std::string_view message) {
  return text_response(status, "{\"error\":" + json_string(message) + "}", "application/json");
}

Response error_response(const Error& error) { return error_response(http_status(error.code()), error.message()); }

std::string_view reason_phrase(int status) {
  struct Entry {
    int status;
    std::string_view phrase;
  };
  // RFC 9110, section 15, and RFC 6585.
  static constexpr std::array<Entry, 46> kPhrases = {{
      {100, "Continue"}, {101, "Switching Protocols"}, {200, "OK"}, {201, "Created"}, {202, "Accepted"},
      {203, "Non-Authoritative Information"}, {204, "No Content"}, {205, "Reset Content"}, {206, "Partial Content"},
      {300, "Multiple Choices"}, {301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"},
      {304, "Not Modified"}, {307, "Temporary Redirect"}, {308, "Permanent Redirect"}, {400, "Bad Request"},
      {401, "Unauthorized"}, {402, "Payment Required"}, {403, "Forbidden"}, {404, "Not Found"},
      {405, "Method Not Allowed"}, {406, "Not Acceptable"}, {407, "Proxy Authentication Required"},
      {408, "Request Timeout"}, {409, "Conflict"}, {410, "Gone"}, {411, "Length Required"},
      {412, "Precondition Failed"}, {413, "Content Too Large"}, {414, "URI Too Long"},
      {415, "Unsupported Media Type"}, {416, "Range Not Satisfiable"}, {417, "Expectation Failed"},
      {421, "Misdirected Request"}, {422, "Unprocessable Content"}, {426, "Upgrade Required"},
      {428, "Precondition Required"}, {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
      {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
  }};
  const auto found = std::find_if(kPhrases.begin(), kPhrases.end(), [&](const Entry& e) { return e.status == status; });
  return found == kPhrases.end() ? "Unknown" : found->phrase;
}

std::string percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace dynflow::http
