#include "migration/site/foreman_peer.h"

#include <time.h>

#include "shared/callback/foreman_client.h"
#include "shared/http/client.h"
#include "shared/json/json.h"
#include "shared/net/tls_context.h"

namespace dynflow::migration {

namespace {

constexpr std::chrono::seconds kPatience{30};
constexpr std::string_view kNobody = "00000000-0000-0000-0000-000000000000";

callback::ForemanAddress address_of(const Site& site) {
  const settings::GlobalSettings& global = *site.global;
  const auto file = [&](const std::optional<std::string>& path) { return path && !path->empty() ? site.layout.real(*path).string() : std::string(); };
  return {global.foreman_url.value_or(""), file(global.foreman_ssl_ca), file(global.foreman_ssl_cert), file(global.foreman_ssl_key), 1};
}

Error no_foreman() { return Error(Code::kInvalid, "the settings name no :foreman_url:"); }

}  // namespace

Result<Duration> foreman_clock_lead(const Site& site) {
  if (!site.global || !site.global->foreman_url) return no_foreman();
  const callback::ForemanAddress address = address_of(site);
  const auto url = callback::parse_foreman_url(address.url);
  if (!url) return url.error();
  http::ClientOptions options;
  options.host = url->host;
  options.port = url->port;
  if (url->is_https) {
    auto tls = net::TlsClientContext::create({address.ca_file, address.certificate_file, address.key_file});
    if (!tls) return tls.error();
    options.tls = *tls;
  }
  http::ClientPool client(std::move(options));
  const Time before = system_clock().now();
  const auto answer = client.send("GET", url->path + "/", {}, nullptr, Deadline::after(kPatience));
  if (!answer) return answer.error();
  const Time after = system_clock().now();
  const auto date = answer->headers.get("Date");
  const auto time = date ? parse_http_date(std::string(*date)) : std::nullopt;
  if (!time) return Error(Code::kBadPeer, "Foreman's answer has no date");
  // The header has whole seconds, cut off.
  return Duration((*time + std::chrono::milliseconds(500)) - (before + (after - before) / 2));
}

Status try_callback(const Site& site) {
  if (!site.global || !site.global->foreman_url) return no_foreman();
  auto client = callback::make_foreman_client(address_of(site));
  if (!client) return client.error();
  const Json body{{"callback", {{"task_id", kNobody}, {"step_id", 0}}}, {"data", Json::object()}};
  const Status answered = (*client)->post(json::dump(body), "dynflow-migrate");
  if (answered || answered.error().code() == Code::kUnprocessable) return {};
  return answered;
}

std::optional<Time> parse_http_date(const std::string& text) {
  tm parts{};
  const char* end = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return from_unix_seconds(static_cast<double>(timegm(&parts)));
}

}  // namespace dynflow::migration
