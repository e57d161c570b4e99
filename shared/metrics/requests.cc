#include "shared/metrics/requests.h"

#include <algorithm>
#include <array>

namespace dynflow::metrics {
namespace {

std::string_view known_method(std::string_view method) {
  constexpr std::array<std::string_view, 7> kMethods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
  return std::find(kMethods.begin(), kMethods.end(), method) != kMethods.end() ? method : std::string_view("other");
}

}  // namespace

void Requests::note(std::string_view module, std::string_view method, int status, Duration took) {
  const std::lock_guard lock(mutex_);
  ++counts_[{std::string(module), std::string(known_method(method)), status}];
  durations_.try_emplace(std::string(module), kQuick).first->second.observe(took);
}

void Requests::write(Text& text, const ServerLoad& load) const {
  {
    const std::lock_guard lock(mutex_);
    text.family("smart_proxy_http_requests_total", Kind::kCounter, "Requests answered.");
    for (const auto& [key, count] : counts_) {
      const auto& [module, method, status] = key;
      text.sample({{"module", module}, {"method", method}, {"status", std::to_string(status)}}, count);
    }
    text.family("smart_proxy_http_request_duration_seconds", Kind::kHistogram, "From a whole request to its answer, without the sending of that.");
    for (const auto& [module, durations] : durations_) text.sample({{"module", module}}, durations);
  }
  text.single("smart_proxy_http_connections", Kind::kGauge, "Connections open now.", load.connections);
  text.single("smart_proxy_http_queue_length", Kind::kGauge, "Requests that wait for a worker.", load.queued);
  text.single("smart_proxy_http_queue_capacity", Kind::kGauge, "Requests that may wait in each queue, that of jobs and that of others; more are refused with 503.", load.queue_capacity);
  text.single("smart_proxy_http_queue_refused_total", Kind::kCounter, "Requests refused with 503 as the queue was full.", load.refused);
  text.single("smart_proxy_http_workers", Kind::kGauge, "Worker threads started.", load.workers);
  text.single("smart_proxy_http_workers_max", Kind::kGauge, "Worker threads at most.", load.workers_max);
}

}  // namespace dynflow::metrics
