#include "proxy/dynflow/relay_pages.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace dynflow;
using namespace dynflow::proxy;

namespace {

// Gives its text in pieces of a length, then fails when told so.
class Pieces final : public http::BodyStream {
 public:
  Pieces(std::string text, std::size_t length, bool fails = false) : text_(std::move(text)), length_(length), fails_(fails) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    const std::size_t count = std::min({length_, buffer.size(), text_.size()});
    if (count == 0 && fails_) return Error(Code::kClosed, "cut short");
    std::copy_n(text_.begin(), count, buffer.begin());
    text_.erase(0, count);
    return count;
  }
  std::optional<std::uint64_t> length() const override { return text_.size(); }

 private:
  std::string text_;
  std::size_t length_;
  bool fails_;
};

const CoreUrl kCore{false, "127.0.0.1", 8008, ""};

Result<std::string> passed(const std::string& text, std::size_t piece, bool fails = false) {
  const auto page = with_links(std::make_unique<Pieces>(text, piece, fails), inside_links(kCore, "https", "proxy.example.com:8443"), "/dynflow/console");
  return http::read_all(*page, 1 << 20);
}

}  // namespace

TEST_CASE("links of a page lead back to where the core is mounted", "[relay_pages]") {
  const std::string text =
      "<a href=\"https://proxy.example.com:8443/console/?page=1\">x</a><a href=\"http://127.0.0.1:8008/console/worlds\">y</a>"
      "<a href=\"https://other.example.com/console\">z</a> https://proxy.example.com:8443/con";
  for (const std::size_t piece : {1u, 2u, 7u, 41u, 100000u}) {
    INFO(piece);
    CHECK(passed(text, piece).value() ==
          "<a href=\"/dynflow/console/?page=1\">x</a><a href=\"/dynflow/console/worlds\">y</a>"
          "<a href=\"https://other.example.com/console\">z</a> https://proxy.example.com:8443/con");
  }
  CHECK(passed("", 1).value().empty());
}

TEST_CASE("a page that breaks off is no whole page", "[relay_pages]") { CHECK_FALSE(passed("<html>", 3, true)); }

TEST_CASE("the name of a core without its default port is known too", "[relay_pages]") {
  CHECK(inside_links(kCore, "https", "proxy:443") ==
        std::vector<std::string>{"https://proxy:443/console", "https://proxy/console", "http://127.0.0.1:8008/console"});
  CHECK(inside_links(kCore, "http", "127.0.0.1:8008") == std::vector<std::string>{"http://127.0.0.1:8008/console"});
  CHECK(inside_links({true, "core", 443, "/base"}, "http", "") == std::vector<std::string>{"https://core:443/base/console"});
}

TEST_CASE("only plain pages are changed", "[relay_pages]") {
  const auto page_with = [](std::initializer_list<std::pair<const char*, const char*>> fields) {
    http::Headers headers;
    for (const auto& [name, value] : fields) headers.add(name, value);
    return is_page(headers);
  };
  CHECK(page_with({{"Content-Type", "text/html;charset=utf-8"}}));
  CHECK_FALSE(page_with({{"Content-Type", "application/json"}}));
  CHECK_FALSE(page_with({{"Content-Type", "text/html"}, {"Content-Encoding", "gzip"}}));
  CHECK_FALSE(page_with({}));
}
