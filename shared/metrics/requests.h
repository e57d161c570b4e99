// The requests that a server has answered, and how busy it is.
//
// Threads: everything may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>

#include "shared/base/clock.h"
#include "shared/metrics/numbers.h"
#include "shared/metrics/text.h"

namespace dynflow::metrics {

struct ServerLoad {
  std::size_t connections = 0;
  std::size_t queued = 0;
  std::size_t queue_capacity = 0;
  std::size_t workers = 0;  // threads started
  std::size_t workers_max = 0;
  std::uint64_t refused = 0;  // as the queue was full
};

class Requests {
 public:
  // `module`: one of a few names of ours. Whatever clients make up as a method is one label.
  void note(std::string_view module, std::string_view method, int status, Duration took);
  // smart_proxy_http_*.
  void write(Text& text, const ServerLoad& load) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::tuple<std::string, std::string, int>, std::uint64_t> counts_;  // by module, method, status
  std::map<std::string, Histogram, std::less<>> durations_;                    // by module
};

}  // namespace dynflow::metrics
