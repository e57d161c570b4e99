#include "proxy/dynflow/relay_pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace dynflow::proxy {
namespace {

constexpr std::string_view kConsole = "/console";

class Rewritten final : public http::BodyStream {
 public:
  Rewritten(std::unique_ptr<http::BodyStream> page, std::vector<std::string> inside, std::string outside)
      : page_(std::move(page)), inside_(std::move(inside)), outside_(std::move(outside)) {
    for (const std::string& one : inside_) longest_ = std::max(longest_, one.size());
  }

  Result<std::size_t> read(std::span<char> buffer) override {
    while (ready_.empty() && !has_ended_) {
      std::array<char, 16 * 1024> piece;
      const auto count = page_->read(piece);
      if (!count) return count.error();
      has_ended_ = *count == 0;
      held_.append(piece.data(), *count);
      settle();
    }
    const std::size_t count = std::min(buffer.size(), ready_.size());
    std::copy_n(ready_.begin(), count, buffer.begin());
    ready_.erase(0, count);
    return count;
  }

  std::optional<std::uint64_t> length() const override { return std::nullopt; }

 private:
  // Moves what cannot change any more from held_ to ready_.
  void settle() {
    while (true) {
      std::size_t first = std::string::npos;
      std::size_t length = 0;
      for (const std::string& one : inside_) {
        const std::size_t at = held_.find(one);
        if (at < first) {
          first = at;
          length = one.size();
        }
      }
      if (first == std::string::npos) break;
      ready_.append(held_, 0, first);
      ready_ += outside_;
      held_.erase(0, first + length);
    }
    // The end may be the beginning of a link.
    const std::size_t kept = has_ended_ ? 0 : std::min(held_.size(), longest_ - 1);
    ready_.append(held_, 0, held_.size() - kept);
    held_.erase(0, held_.size() - kept);
  }

  std::unique_ptr<http::BodyStream> page_;
  std::vector<std::string> inside_;
  std::string outside_;
  std::size_t longest_ = 1;
  std::string held_;
  std::string ready_;
  bool has_ended_ = false;
};

}  // namespace

bool is_page(const http::Headers& headers) {
  const auto type = headers.get("Content-Type");
  return type && type->substr(0, 9) == "text/html" && !headers.get("Content-Encoding");
}

std::vector<std::string> inside_links(const CoreUrl& core, std::string_view scheme, std::string_view client_host) {
  std::vector<std::string> links;
  const auto add = [&](std::string_view origin) {
    std::string link = fmt::format("{}{}{}", origin, core.base_path, kConsole);
    if (std::find(links.begin(), links.end(), link) == links.end()) links.push_back(std::move(link));
  };
  if (!client_host.empty()) {
    add(fmt::format("{}://{}", scheme, client_host));
    // Rack leaves the port of the scheme out.
    const std::string_view port = scheme == "https" ? ":443" : ":80";
    if (client_host.size() > port.size() && client_host.substr(client_host.size() - port.size()) == port) {
      add(fmt::format("{}://{}", scheme, client_host.substr(0, client_host.size() - port.size())));
    }
  }
  add(core.origin());
  return links;
}

std::unique_ptr<http::BodyStream> with_links(std::unique_ptr<http::BodyStream> page, std::vector<std::string> inside, std::string outside) {
  return std::make_unique<Rewritten>(std::move(page), std::move(inside), std::move(outside));
}

}  // namespace dynflow::proxy
