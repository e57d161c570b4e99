#include "proxy/host/request_trace.h"

#include <catch2/catch.hpp>

#include "shared/log/buffer.h"
#include "shared/log/setup.h"

using namespace dynflow;
using namespace dynflow::proxy;

namespace {

// What is logged while the object lives.
struct Recorded {
  std::shared_ptr<log::Buffer> buffer = *log::Buffer::create(100, 100);

  explicit Recorded(log::Level level) {
    log::Options options;
    options.buffer = buffer;
    options.level = level;
    options.target = "STDERR";
    options.file_pattern = "";
    REQUIRE(log::configure(options).ok());
  }
  ~Recorded() {
    log::Options quiet;
    quiet.target = "STDERR";
    quiet.level = log::Level::kFatal;
    CHECK(log::configure(quiet).ok());
  }
  std::vector<std::string> messages() const {
    std::vector<std::string> all;
    for (const auto& record : buffer->records()) all.push_back(record.message);
    return all;
  }
};

// Gives a few bytes at a time, and does not know how many there are.
class Chunked final : public http::BodyStream {
 public:
  explicit Chunked(std::string text) : text_(std::move(text)) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    const std::size_t size = std::min({buffer.size(), text_.size() - at_, std::size_t{3}});
    std::copy_n(text_.data() + at_, size, buffer.data());
    at_ += size;
    return size;
  }
  std::optional<std::uint64_t> length() const override { return std::nullopt; }

 private:
  const std::string text_;
  std::size_t at_ = 0;
};

http::Request request_with(std::unique_ptr<http::BodyStream> body, std::string type = "application/json") {
  http::Request request;
  request.headers.add("Accept", "*/*");
  request.headers.add("Content-Type", std::move(type));
  request.body = std::move(body);
  return request;
}

}  // namespace

TEST_CASE("headers are shown as Ruby shows them, without what proves who somebody is", "[trace]") {
  http::Headers headers;
  headers.add("Accept", "a \"b\" \\c");
  headers.add("Content-Type", "application/json");
  headers.add("X-Forwarded-For", "one");
  headers.add("Authorization", "Basic c2VjcmV0");
  headers.add("x-forwarded-for", "two");
  headers.add("Cookie", "dynflow_console=0011");
  CHECK(shown_headers(headers) == R"({"HTTP_ACCEPT"=>"a \"b\" \\c", "HTTP_X_FORWARDED_FOR"=>"one, two", "HTTP_AUTHORIZATION"=>"[hidden]", "HTTP_COOKIE"=>"[hidden]"})");
  CHECK(shown_headers({}) == "{}");
}

TEST_CASE("bodies are shown when they are JSON or plain text, without passwords", "[trace]") {
  CHECK(shown_body("application/json", R"({ "a": [{"ssh_password": "x"}], "b": 1 })") == R"({"a":[{"ssh_password":"[hidden]"}],"b":1})");
  CHECK(shown_body("application/json; charset=utf-8", "[1]") == "[1]");
  CHECK(shown_body("text/plain", "three words only") == "three words only");
  CHECK(shown_body("text/plain", R"({"token":"x"})") == R"({"token":"[hidden]"})");
  for (const auto& [type, body] : {std::pair("application/json", R"({"password": "x")"), std::pair("text/plain", R"(x {"password": "x")"),
                                   std::pair("application/x-www-form-urlencoded", "password=x"), std::pair("", "x")}) {
    CAPTURE(type, body);
    CHECK(shown_body(type, body) == "[filtered out]");
  }
}

TEST_CASE("the body is still there after it was told", "[trace]") {
  const std::string text = R"({"a":"0123456789"})";
  const auto make = [&](bool knows_length) { return knows_length ? http::body_of(text) : std::make_unique<Chunked>(text); };
  for (const bool knows_length : {true, false}) {
    for (const std::size_t limit : {std::size_t{0}, std::size_t{1}, std::size_t{5}, text.size() - 1, text.size(), text.size() + 1, std::size_t{2000}}) {
      CAPTURE(knows_length, limit);
      const Recorded recorded(log::Level::kDebug);
      auto request = request_with(make(knows_length));
      RequestTrace(limit).tell(request);
      CHECK(request.read_body(1000).value() == text);
      CHECK(recorded.messages() == std::vector<std::string>{R"(Headers: {"HTTP_ACCEPT"=>"*/*"})", text.size() < limit ? "Body: " + text : "Body: [filtered out]"});
    }
  }
}

TEST_CASE("nothing is told without a body, a trace or a level that shows it", "[trace]") {
  {
    const Recorded recorded(log::Level::kDebug);
    auto request = request_with(http::body_of(""));
    RequestTrace(RequestTrace::kShortBody).tell(request);
    RequestTrace().tell(request);
    CHECK(recorded.messages().size() == 1);
  }
  const Recorded recorded(log::Level::kInfo);
  auto request = request_with(http::body_of("{}"));
  RequestTrace(RequestTrace::kShortBody).tell(request);
  CHECK(recorded.messages().empty());
}

TEST_CASE("the environment switches it on", "[trace]") {
  CHECK_FALSE(RequestTrace::from(nullptr, nullptr)->is_on());
  CHECK_FALSE(RequestTrace::from(nullptr, "many")->is_on());
  CHECK(RequestTrace::from("", nullptr)->is_on());
  CHECK(RequestTrace::from("1", "300")->is_on());
  for (const char* wrong : {"", "many", "-1", "1k", "99999999"}) {
    CAPTURE(wrong);
    CHECK(RequestTrace::from("1", wrong).error().code() == Code::kInvalid);
  }
}
