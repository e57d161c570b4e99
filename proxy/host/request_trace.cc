#include "proxy/host/request_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "shared/json/json.h"
#include "shared/json/masked.h"
#include "shared/log/log.h"

namespace dynflow::proxy {
namespace {

constexpr std::string_view kFilteredOut = "[filtered out]";

// "Content-Type" as CGI and Ruby's servers name it: HTTP_CONTENT_TYPE.
std::string environment_name(std::string_view field) {
  std::string name = "HTTP_";
  for (const char c : field) name += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return name;
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// A body whose first bytes were read already.
class Replayed final : public http::BodyStream {
 public:
  Replayed(std::string front, std::unique_ptr<http::BodyStream> rest)
      : length_(rest->length()), front_(std::move(front)), rest_(std::move(rest)) {}

  Result<std::size_t> read(std::span<char> buffer) override {
    if (at_ == front_.size()) return rest_->read(buffer);
    const std::size_t size = std::min(buffer.size(), front_.size() - at_);
    std::copy_n(front_.data() + at_, size, buffer.data());
    at_ += size;
    return size;
  }
  std::optional<std::uint64_t> length() const override { return length_; }

 private:
  const std::optional<std::uint64_t> length_;
  const std::string front_;
  std::size_t at_ = 0;
  const std::unique_ptr<http::BodyStream> rest_;
};

// Up to `limit` bytes; less at the end, or at an error, which whoever reads on gets again.
std::string read_front(http::BodyStream& body, std::size_t limit) {
  std::string front(limit, '\0');
  std::size_t size = 0;
  while (size < limit) {
    const auto got = body.read(std::span(front).subspan(size));
    if (!got || *got == 0) break;
    size += *got;
  }
  front.resize(size);
  return front;
}

}  // namespace

Result<RequestTrace> RequestTrace::from(const char* trace, const char* max_body_size) {
  if (trace == nullptr) return RequestTrace();
  if (max_body_size == nullptr) return RequestTrace(kShortBody);
  const std::string_view text = max_body_size;
  std::size_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  constexpr std::size_t kMost = 1024 * 1024;
  if (error != std::errc() || end != text.data() + text.size() || size > kMost) {
    return Error(Code::kInvalid, fmt::format("FOREMAN_LOG_MAX_BODY_SIZE must be a number of bytes up to {}, not \"{}\"", kMost, text));
  }
  return RequestTrace(size);
}

void RequestTrace::tell(http::Request& request) const {
  if (!is_on_ || !log::is_enabled(log::Level::kDebug)) return;
  const log::Context context{.request_id = request.request_id, .session_id = request.session_id};
  log::debug(context, "Headers: {}", shown_headers(request.headers));
  const std::optional<std::uint64_t> length = request.body->length();
  if (length == 0) return;
  if (length.value_or(0) >= short_body_) return log::debug(context, "Body: {}", kFilteredOut);
  std::string front = read_front(*request.body, short_body_);
  if (!front.empty()) {
    const std::string_view type = request.headers.get("Content-Type").value_or("");
    log::debug(context, "Body: {}", front.size() < short_body_ ? shown_body(type, front) : std::string(kFilteredOut));
  }
  request.body = std::make_unique<Replayed>(std::move(front), std::move(request.body));
}

std::string shown_headers(const http::Headers& headers) {
  // In the order of arrival; of several fields of a name one, as in a Rack environment.
  std::vector<std::string> names;
  std::map<std::string, std::string> values;
  for (const auto& [field, value] : headers) {
    std::string name = environment_name(field);
    if (name == "HTTP_CONTENT_TYPE" || name == "HTTP_CONTENT_LENGTH") continue;  // no HTTP_ variables of Rack
    const std::string shown = json::is_secret_key(field) ? std::string(json::kMask) : value;
    const auto [known, is_new] = values.try_emplace(name, shown);
    if (is_new) names.push_back(std::move(name));
    if (!is_new) known->second += ", " + shown;
  }
  std::string out;
  for (const std::string& name : names) out += fmt::format("{}{}=>{}", out.empty() ? "" : ", ", in_quotes(name), in_quotes(values[name]));
  return "{" + out + "}";
}

std::string shown_body(std::string_view content_type, std::string_view body) {
  const std::string_view type = content_type.substr(0, content_type.find_first_of("; "));
  if (type != "application/json" && type != "text/plain") return std::string(kFilteredOut);
  if (auto document = json::parse(body)) {
    json::mask_secrets(*document);
    return json::dump(*document);
  }
  // What is to be a document and is none may hold a secret that nobody finds.
  const bool is_to_be_json = type == "application/json" || body.find_first_of("{[") != std::string_view::npos;
  return std::string(is_to_be_json ? kFilteredOut : body);
}

}  // namespace dynflow::proxy
