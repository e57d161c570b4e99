#include "shared/api/console/page.h"

#include <fmt/format.h>

#include "shared/api/answers.h"
#include "shared/api/console/style.h"
#include "shared/base/base64.h"
#include "shared/json/json.h"
#include "shared/net/digest.h"

namespace dynflow::api::console {
namespace {

constexpr int kRefreshSeconds = 5;

std::string bytes_of(std::string_view hex) {
  std::string bytes;
  for (std::size_t at = 0; at + 1 < hex.size(); at += 2) bytes += static_cast<char>(std::stoi(std::string(hex.substr(at, 2)), nullptr, 16));
  return bytes;
}

// The page's own style and its own forms; no script, nothing from anywhere, in nobody's frame.
const std::string& content_policy() {
  static const std::string policy =
      fmt::format("default-src 'none'; style-src 'sha256-{}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
                  base64_encode(bytes_of(net::sha256_hex(kStyle))));
  return policy;
}

http::Response guarded(http::Response response) {
  response.headers.set("Content-Security-Policy", content_policy());
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("X-Frame-Options", "DENY");
  // Not "no-referrer": browsers then hide from us where our own forms come from.
  response.headers.set("Referrer-Policy", "same-origin");
  response.headers.set("Cross-Origin-Resource-Policy", "same-origin");
  response.headers.set("Cache-Control", "no-store");
  return response;
}

}  // namespace

bool prefers_json(const http::Request& request) {
  const std::string_view accept = request.headers.get("Accept").value_or("");
  if (accept.find("text/html") != std::string_view::npos) return false;
  // What comes first counts: the relay of the Ruby proxy sends "*/*, application/json,version=2" for every browser
  // (smart_proxy_dynflow v0.3.1, lib/smart_proxy_dynflow/callback.rb), scripts "application/json, */*".
  return accept.find("application/json") < accept.find("*/*");
}

http::Response page_answer(const Visit& visit, const Page& page, int status) {
  // The whitespace within the style counts for its digest: it goes in as it is.
  std::string text = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                     "content=\"width=device-width, initial-scale=1\"><style>";
  text += kStyle;
  text += "</style>";
  Html rest;
  if (!page.refresh_link.empty()) rest.add("<meta http-equiv=\"refresh\" content=\"{};url={}\">", kRefreshSeconds, page.refresh_link);
  rest.add("<title>{} - Dynflow</title></head>\n<body><header><b>Dynflow</b> <a href=\"{}\">Tasks</a> <a href=\"{}\">Worlds</a></header>\n<main>",
           page.title, visit.links.list(), visit.links.worlds());
  if (!page.notice.empty()) rest.add("<p class=\"notice\" role=\"status\">{}</p>\n", page.notice);
  rest.add(page.body);
  rest.add("</main></body></html>\n");
  return guarded(http::text_response(status, text + rest.text(), "text/html; charset=utf-8"));
}

http::Response document_answer(const Json& document, int status) { return guarded(json_answer(json::dump(document), status)); }

http::Response failure_answer(const Visit& visit, int status, const std::string& message) {
  if (visit.wants_json) return guarded(error_answer(status, message));
  Page page;
  page.title = std::string(http::reason_phrase(status));
  page.body.add("<h1>{}</h1><p>{}</p>", page.title, message);
  http::Response response = page_answer(visit, page, status);
  if (status == 503) response.headers.set("Retry-After", "2");
  return response;
}

http::Response failure_answer(const Visit& visit, const Error& error) {
  return failure_answer(visit, http_status(error.code()), error.message());
}

http::Response redirect_answer(const std::string& link) {
  Html text("<!DOCTYPE html>\n<title>Dynflow</title><p><a href=\"{}\">Go on</a></p>\n", link);
  http::Response response = guarded(http::text_response(303, text.text(), "text/html; charset=utf-8"));
  response.headers.set("Location", link);
  return response;
}

}  // namespace dynflow::api::console
