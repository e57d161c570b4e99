#include "proxy/host/host.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "proxy/host/logs_document.h"
#include "proxy/host/version.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"
#include "shared/metrics/process.h"

namespace dynflow::proxy {
namespace {

// The label of routes that are no module's.
constexpr std::string_view kOwnModule = "host";

bool is_on(const Feature& feature, bool is_tls) {
  return feature.state == ModuleState::kRunning && (is_tls ? feature.is_on_https : feature.is_on_http);
}

bool is_at_or_below(std::string_view path, std::string_view mount) {
  return path.substr(0, mount.size()) == mount && (path.size() == mount.size() || path[mount.size()] == '/');
}

http::Response json_text(std::string document) {
  return http::text_response(200, std::move(document), "application/json");
}

}  // namespace

Host::Host(Parts parts) : parts_(std::move(parts)) {}

void Host::start_modules() {
  for (const auto& module : parts_.modules) {
    const Status started = module->start();
    for (const Feature& row : module->features()) {
      if (row.state == ModuleState::kRunning) log::info({}, "Successfully initialized '{}'", row.name);
      if (row.state == ModuleState::kFailed) tell_failure(row, started);
    }
  }
  if (parts_.logs.state == ModuleState::kRunning) log::info({}, "Successfully initialized '{}'", parts_.logs.name);
}

// In upstream's words, of which a module has two sorts: for what is disabled before it was tried, and for what was tried in vain.
void Host::tell_failure(const Feature& row, const Status& started) const {
  const std::string& why = row.failure.empty() && !started ? started.error().message() : row.failure;
  if (started && !row.was_not_started) {
    log::error({}, "Couldn't enable '{}': {}", row.name, why);
    return parts_.buffer->set_failed_module(row.name, why);
  }
  const std::string message = fmt::format("Disabling all modules in the group ['{}'] due to a failure in one of them: {}", row.name, why);
  log::error({}, "{}", message);
  parts_.buffer->set_failed_module(row.name, message);
}

void Host::stop_modules(Deadline deadline) {
  for (auto module = parts_.modules.rbegin(); module != parts_.modules.rend(); ++module) (*module)->stop(deadline);
}

void Host::interrupt_modules() {
  for (const auto& module : parts_.modules) module->interrupt();
}

std::vector<Feature> Host::features() const {
  std::vector<Feature> all;
  for (const auto& module : parts_.modules) {
    for (Feature& row : module->features()) all.push_back(std::move(row));
  }
  all.push_back(parts_.logs);
  return all;
}

http::Response Host::handle(http::Request& request) {
  const Instant start = system_clock().instant();
  const log::Context context{.request_id = request.request_id, .session_id = request.session_id};
  log::info(context, "Started {} {} {}", request.method, request.path, request.query);
  parts_.trace.tell(request);
  http::Response response;
  try {
    response = dispatch(request);
  } catch (const std::exception& error) {
    log::error(context, "Error processing {} {}: {}", request.method, request.path, error.what());
    response = http::error_response(500, "Internal error; the proxy's log says more");
  }
  response.headers.set("X-Content-Type-Options", "nosniff");
  const Duration took = system_clock().instant() - start;
  const Module* module = module_for(request);
  requests_.note(module != nullptr ? module->mount().substr(1) : kOwnModule, request.method, response.status, took);
  log::info(context, "Finished {} {} with {} ({:.2f} ms)", request.method, request.path, response.status, to_seconds(took) * 1000);
  return response;
}

http::Response Host::dispatch(http::Request& request) {
  if (auto refused = other_sites_.refusal(request)) return std::move(*refused);
  if (Module* module = module_for(request)) return module->handle(request);
  return own_route(request);
}

Module* Host::module_for(const http::Request& request) const {
  for (const auto& module : parts_.modules) {
    if (is_at_or_below(request.path, module->mount()) && module->serves(request.peer.is_tls)) return module.get();
  }
  return nullptr;
}

http::Response Host::own_route(const http::Request& request) const {
  if (request.method != "GET" && request.method != "HEAD") return not_found_page();
  if (request.path == "/features") return json_text(features_document(features()));
  if (request.path == "/version") return json_text(version_document(features(), kHostVersion));
  if (request.path == "/v2/features") {
    if (auto refused = parts_.authorization->refusal(request, "/features")) return std::move(*refused);
    return json_text(features_v2_document(features()));
  }
  if ((request.path == "/logs" || request.path == "/logs/") && is_on(parts_.logs, request.peer.is_tls)) {
    if (auto refused = parts_.authorization->refusal(request, "/")) return std::move(*refused);
    const auto from = request.query_values("from_timestamp");
    return json_text(logs_document(*parts_.buffer, from.empty() ? Time{} : parse_from_timestamp(from.back())));
  }
  if (request.path == "/metrics") return metrics(request);
  return not_found_page();
}

http::Response Host::metrics(const http::Request& request) const {
  const bool is_reader = parts_.metrics_readers && !parts_.metrics_readers->check(request, "/metrics");
  if (!is_reader) {
    if (auto refused = parts_.authorization->refusal(request, "/metrics")) return std::move(*refused);
  }
  metrics::Text text;
  text.family("smart_proxy_build_info", metrics::Kind::kGauge, "The versions of the product and of the Smart Proxy that it stands for, as labels.")
      .sample({{"version", PRODUCT_VERSION}, {"smart_proxy", kHostVersion}}, 1);
  requests_.write(text, parts_.load ? parts_.load() : metrics::ServerLoad());
  metrics::write_process(text);
  std::string all = text.take();
  for (const auto& module : parts_.modules) all += module->metrics();
  return http::text_response(200, std::move(all), metrics::kContentType);
}

http::Response not_found_page() {
  http::Response response = http::text_response(404, "Requested url was not found", "application/json");
  response.headers.set("X-Cascade", "pass");
  return response;
}

}  // namespace dynflow::proxy
