#include "proxy/script/script_module.h"

#include <fstream>
#include <iterator>
#include <optional>

#include "proxy/host/host.h"
#include "shared/log/log.h"

namespace dynflow::proxy {
namespace {

// A public key of RSA 16384 has 3 kB; whatever is longer is another file.
constexpr std::size_t kLongestKey = 64 * 1024;

std::optional<std::string> read_key(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string text(kLongestKey + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kLongestKey) return std::nullopt;
  return text;
}

http::Response key_answer(const http::Request& request, const std::string& path) {
  if (auto key = read_key(path)) return http::text_response(200, std::move(*key));
  log::warn({.request_id = request.request_id}, "The public key {} cannot be read", path);
  return http::error_response(404, "There is no public key");
}

}  // namespace

http::Response ScriptModule::handle(http::Request& request) {
  if (request.method == "GET" || request.method == "HEAD") {
    if (request.path == "/ssh/pubkey") return key_answer(request, options_.public_key_file);
    if (request.path == "/ssh/ca_pubkey") {
      if (options_.ca_public_key_file.empty()) return http::text_response(200, "");
      return key_answer(request, options_.ca_public_key_file);
    }
  }
  return not_found_page();
}

}  // namespace dynflow::proxy
