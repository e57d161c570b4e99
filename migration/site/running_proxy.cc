#include "migration/site/running_proxy.h"

#include <fmt/format.h>

#include <algorithm>

#include "migration/site/host_name.h"
#include "shared/base/deadline.h"
#include "shared/base/interrupt.h"
#include "shared/callback/foreman_client.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

constexpr std::chrono::seconds kPatience{30};
constexpr std::size_t kLargestAnswer = 4 * 1024 * 1024;

struct Address {
  bool is_tls = false;
  std::string host;
  std::uint16_t port = 0;
};

Result<Address> parse_url(const std::string& url) {
  const auto parsed = callback::parse_foreman_url(url);
  if (!parsed) return Error(Code::kInvalid, "--proxy-url: expected http(s)://host[:port], got '" + url + "'");
  return Address{parsed->is_https, parsed->host, parsed->port};
}

Result<Address> address_of(const Site& site, const GlobalOptions& options) {
  if (!options.proxy_url.empty()) return parse_url(options.proxy_url);
  if (!site.global) return Error(Code::kInvalid, "the proxy's settings cannot be read; name it with --proxy-url");
  const settings::GlobalSettings& global = *site.global;
  std::string bind = global.bind_host.empty() ? "*" : global.bind_host.front();
  const bool is_any = bind == "*" || bind == "0.0.0.0" || bind == "::";
  if (global.has_https()) return Address{true, is_any ? own_host_name() : bind, global.https_port};
  if (global.http_port) return Address{false, is_any ? "127.0.0.1" : bind, *global.http_port};
  return Error(Code::kInvalid, "the settings name no listener; name it with --proxy-url");
}

}  // namespace

bool is_transient(Code code) {
  return code == Code::kUnavailable || code == Code::kTimeout || code == Code::kBadPeer || code == Code::kBusy || code == Code::kClosed;
}

void Pace::pause() const {
  constexpr Duration kLongest = std::chrono::seconds(10);
  const Deadline deadline = Deadline::after(std::min(kLongest, std::chrono::duration_cast<Duration>(4 * (system_clock().instant() - began_))));
  do {
    pause_between_looks();
  } while (!deadline.has_passed() && !is_interrupted());
}

Result<std::unique_ptr<RunningProxy>> RunningProxy::find(const Site& site, const GlobalOptions& options, const std::optional<ClientIdentity>& stranger) {
  auto address = address_of(site, options);
  if (!address) return address.error();
  http::ClientOptions client;
  client.host = address->host;
  client.port = address->port;
  if (address->is_tls) {
    if (!site.global || !site.global->has_https()) return Error(Code::kInvalid, "the settings name no certificates for HTTPS");
    const auto file = [&](const std::optional<std::string>& path) { return site.layout.real(path.value_or("")).string(); };
    net::TlsClientOptions identity{file(site.global->ssl_ca_file), file(site.global->ssl_certificate), file(site.global->ssl_private_key)};
    if (stranger) identity.certificate_file = stranger->certificate_file, identity.key_file = stranger->key_file;
    auto tls = net::TlsClientContext::create(identity);
    if (!tls) return tls.error();
    client.tls = *tls;
  }
  std::string url = fmt::format("{}://{}:{}", address->is_tls ? "https" : "http", address->host, address->port);
  return std::unique_ptr<RunningProxy>(new RunningProxy(std::move(url), std::move(client)));
}

Result<std::unique_ptr<RunningProxy>> RunningProxy::find_core(const Site& site) {
  if (!site.dynflow || !site.global) return Error(Code::kInvalid, "the proxy's settings cannot be read: they name the core service");
  const std::string& core_url = site.dynflow->core_url;
  const auto url = callback::parse_foreman_url(core_url);
  if (!url) return Error(Code::kInvalid, fmt::format(":core_url: {} is not http(s)://host[:port]", core_url));
  http::ClientOptions client;
  client.host = url->host;
  client.port = url->port;
  if (url->is_https) {
    const auto file = [&](const std::optional<std::string>& path) { return path && !path->empty() ? site.layout.real(*path).string() : std::string(); };
    auto tls = net::TlsClientContext::create({file(site.global->foreman_ssl_ca), file(site.global->foreman_ssl_cert), file(site.global->foreman_ssl_key)});
    if (!tls) return tls.error();
    client.tls = *tls;
  }
  return std::unique_ptr<RunningProxy>(new RunningProxy(core_url, std::move(client)));
}

Result<std::string> RunningProxy::ask(std::string_view method, const std::string& path, const std::string& body, const std::string& authorization) {
  http::Headers headers;
  headers.add("Content-Type", "application/json");
  if (!authorization.empty()) headers.add("Authorization", authorization);
  const auto stream = body.empty() ? nullptr : http::body_of(body);
  auto response = client_.send(method, path, headers, stream.get(), Deadline::after(kPatience));
  if (!response) return response.error();
  auto text = http::read_all(*response->body, kLargestAnswer);
  if (!text) return text.error();
  if (response->status == 200) return text;
  const auto document = json::parse(*text);
  const std::string said = document.ok() && document->is_object() ? json::get_string(*document, "error", *text) : text->substr(0, 200);
  const std::string message = fmt::format("{} {}: {} {}", method, path, response->status, said);
  switch (response->status) {
    case 403: return Error(Code::kForbidden, message);
    case 404: return Error(Code::kNotFound, message);
    case 409: return Error(Code::kConflict, message);
    case 503: return Error(Code::kBusy, message);
    default: return Error(Code::kBadPeer, message);
  }
}

namespace {

std::int64_t unfinished(const Json& document, std::string_view side) {
  const Json* sides = json::find(document, "sides");
  const Json* one = json::find(sides != nullptr ? *sides : document, side);
  if (one == nullptr || json::find(*one, "unfinished_tasks") == nullptr) return -1;
  return json::get_int(*one, "unfinished_tasks", 0) + json::get_int(*one, "undelivered_callbacks", 0);
}

// Only the sides that have tasks in this state: after a hand-over the old one may be gone.
void add_unfinished(const Json& document, ModeReport& report) {
  const bool needs_both = json::get_bool(document, "hand_over", false);
  const std::string target = json::get_string(document, "target");
  std::int64_t sum = 0;
  for (const auto& [name, number] : {std::pair("in-process", report.own), std::pair("external", report.other)}) {
    if (const Json* launches = json::find(document, "launches_under_way")) sum += json::get_int(*launches, name, 0);
    if (!needs_both && target != name) continue;
    if (number < 0) return;
    sum += number;
    const Json* sides = json::find(document, "sides");
    const Json* ids = sides == nullptr ? nullptr : json::find(*json::find(*sides, name), "task_ids");
    if (ids == nullptr || !ids->is_array()) continue;
    for (const Json& id : *ids) {
      if (id.is_string()) report.task_ids.push_back(id.get<std::string>());
    }
  }
  report.unfinished = sum;
}

Result<ModeReport> report_of(const std::string& text) {
  const auto document = json::parse(text);
  if (!document.ok()) return Error(Code::kBadPeer, "/dynflow/mode is not JSON: " + document.error().message());
  ModeReport report;
  report.state = json::get_string(*document, "state");
  if (report.state.empty()) return Error(Code::kBadPeer, "/dynflow/mode does not name a state");
  report.own = unfinished(*document, "in-process");
  report.other = unfinished(*document, "external");
  add_unfinished(*document, report);
  for (const char* side : {"in-process", "external"}) {
    const Json* sides = json::find(*document, "sides");
    const Json* one = sides == nullptr ? nullptr : json::find(*sides, side);
    const std::string error = one == nullptr ? "" : json::get_string(*one, "callback_error");
    if (!error.empty()) report.callback_error = fmt::format("{}: {}", side, error);
  }
  const Json* drained = json::find(*document, "drained");
  if (drained != nullptr && drained->is_object()) {
    report.drained = fmt::format("{} ({})", json::get_string(*drained, "since"), json::get_string(*drained, "reason"));
  }
  const Json* error = json::find(*document, "last_error");
  if (error != nullptr && error->is_object()) {
    report.last_error = fmt::format("{} ({})", json::get_string(*error, "message"), json::get_string(*error, "at"));
  }
  report.document = text;
  return report;
}

}  // namespace

Result<ModeReport> RunningProxy::mode() {
  const auto text = ask("GET", "/dynflow/mode", "");
  if (!text) return text.error();
  return report_of(*text);
}

Result<ModeReport> RunningProxy::order(const Json& order) {
  const auto text = ask("POST", "/dynflow/mode", json::dump(order));
  if (!text) return text.error();
  return report_of(*text);
}

Result<ModeReport> RunningProxy::begin(bool is_external, bool is_forced) {
  return order(Json{{"action", "begin"}, {"external_core", is_external}, {"force", is_forced}});
}

Result<ModeReport> RunningProxy::finish(bool is_forced) { return order(Json{{"action", "finish"}, {"force", is_forced}}); }

Result<ModeReport> RunningProxy::drain(bool is_drained) { return order(Json{{"action", is_drained ? "drain" : "undrain"}}); }

Status RunningProxy::cancel(const std::string& task_id) {
  const auto done = ask("POST", fmt::format("/dynflow/tasks/{}/cancel", task_id), "{}");
  return done ? Status() : Status(done.error());
}

Result<std::vector<std::string>> RunningProxy::operations() {
  const auto text = get("/dynflow/tasks/operations");
  if (!text) return text.error();
  const auto document = json::parse(*text);
  if (!document.ok() || !document->is_array()) return Error(Code::kBadPeer, "/dynflow/tasks/operations: " + *text);
  std::vector<std::string> names;
  for (const Json& each : *document) {
    if (each.is_string()) names.push_back(each.get<std::string>());
  }
  return names;
}

Result<std::string> RunningProxy::get(const std::string& path) { return ask("GET", path, ""); }

Result<std::string> RunningProxy::post(const std::string& path, const std::string& body, const std::string& authorization) {
  return ask("POST", path, body, authorization);
}

Result<std::int64_t> RunningProxy::running_tasks() {
  const auto report = mode();
  if (report.ok()) {
    if (report->unfinished) return *report->unfinished;
    return Error(Code::kUnavailable, fmt::format("{} cannot ask the core service for its tasks{}", url_,
                                                 report->last_error.empty() ? "" : ": " + report->last_error));
  }
  return report.error().code() == Code::kNotFound ? counted_tasks() : report.error();
}

Result<std::int64_t> RunningProxy::counted_tasks() {
  const auto text = get("/dynflow/tasks/count?state=running");
  if (!text) return text.error();
  const auto document = json::parse(*text);
  const Json* count = document.ok() ? json::find(*document, "count") : nullptr;
  if (count == nullptr || !count->is_number_integer()) return Error(Code::kBadPeer, "/dynflow/tasks/count: " + *text);
  return json::get_int(*document, "count", 0);
}

}  // namespace dynflow::migration
