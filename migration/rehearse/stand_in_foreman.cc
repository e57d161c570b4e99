#include "migration/rehearse/stand_in_foreman.h"

#include <fmt/format.h>

#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

constexpr std::string_view kPath = "/foreman_tasks/api/tasks/callback";
constexpr std::size_t kLargestBody = 64 * 1024 * 1024;
constexpr std::chrono::milliseconds kSlice{100};  // between looks at the interrupt

http::ServerOptions options(const std::shared_ptr<const net::TlsServerContext>& tls) {
  http::ServerOptions options;
  options.listeners.emplace_back();
  if (tls) options.listeners.back().tls = [tls] { return tls; };
  options.server_header = "rehearse";
  options.io_threads = 1;
  options.max_workers = 4;
  return options;
}

// One entry {"callback": {"task_id"}, "data": {"exit_status"}}; nothing when it is none.
std::optional<Arrival> arrival_of(const Json& entry, Instant when) {
  const Json* callback = json::find(entry, "callback");
  const Json* data = json::find(entry, "data");
  if (callback == nullptr || data == nullptr) return std::nullopt;
  const std::string id = json::get_string(*callback, "task_id");
  if (id.empty()) return std::nullopt;
  return Arrival{id, json::get_int(*data, "exit_status", -1) == 0, when};
}

}  // namespace

StandInForeman::StandInForeman(std::shared_ptr<const net::TlsServerContext> tls) : is_tls_(tls != nullptr), server_(options(tls)) {}

StandInForeman::~StandInForeman() { server_.stop(Deadline::after(std::chrono::seconds(2))); }

Result<std::unique_ptr<StandInForeman>> StandInForeman::start(std::shared_ptr<const net::TlsServerContext> tls) {
  std::unique_ptr<StandInForeman> foreman(new StandInForeman(std::move(tls)));
  StandInForeman& self = *foreman;
  if (Status started = self.server_.start([&self](http::Request& request) { return self.answer(request); }); !started.ok()) {
    return started.error().in("stand-in Foreman");
  }
  return foreman;
}

std::string StandInForeman::url() const { return fmt::format("{}://127.0.0.1:{}", is_tls_ ? "https" : "http", server_.ports().front()); }

void StandInForeman::clear() {
  const std::lock_guard lock(mutex_);
  arrivals_.clear();
}

std::vector<Arrival> StandInForeman::wait_for(std::size_t count, Duration span, const Interrupt& interrupt) {
  const Deadline deadline = Deadline::after(span);
  std::unique_lock lock(mutex_);
  while (arrivals_.size() < count && !deadline.has_passed() && interrupt.check().ok()) changed_.wait_for(lock, kSlice);
  return arrivals_;
}

http::Response StandInForeman::answer(http::Request& request) {
  const Instant now = system_clock().instant();
  if (request.method != "POST" || request.path != kPath) return http::error_response(404, "not found");
  const auto body = request.read_body(kLargestBody);
  if (!body) return http::error_response(body.error());
  const auto document = json::parse(*body);
  if (!document) return http::error_response(document.error());
  std::vector<Arrival> seen;
  const auto take = [&](const Json& entry) {
    if (auto arrival = arrival_of(entry, now)) seen.push_back(std::move(*arrival));
  };
  if (const Json* list = json::find(*document, "callbacks"); list != nullptr && list->is_array()) {
    for (const Json& entry : *list) take(entry);
  } else {
    take(*document);
  }
  {
    const std::lock_guard lock(mutex_);
    arrivals_.insert(arrivals_.end(), seen.begin(), seen.end());
  }
  changed_.notify_all();
  http::Response response = http::text_response(200, R"({"message":"processing"})", "application/json");
  return response;
}

}  // namespace dynflow::migration
