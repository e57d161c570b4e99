// Takes callbacks as Foreman does, and remembers when each arrived and how its job ended.
//
// Threads: all methods from any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "migration/rehearse/interrupt.h"
#include "shared/base/clock.h"
#include "shared/base/result.h"
#include "shared/http/server.h"
#include "shared/net/tls_context.h"

namespace dynflow::migration {

// A callback, delivered once or more.
struct Arrival {
  std::string task_id;  // Foreman's id of the task, out of "callback"
  bool succeeded = false;
  Instant when{};
};

class StandInForeman {
 public:
  // Listens on a free loopback port. `tls`: null for plain HTTP. Errors: those of http::Server::start.
  static Result<std::unique_ptr<StandInForeman>> start(std::shared_ptr<const net::TlsServerContext> tls = nullptr);
  ~StandInForeman();

  std::string url() const;
  // Forgets what has arrived.
  void clear();
  // Waits for `count` arrivals since clear(); fewer when `span` is over or the interrupt says so.
  std::vector<Arrival> wait_for(std::size_t count, Duration span, const Interrupt& interrupt);

 private:
  explicit StandInForeman(std::shared_ptr<const net::TlsServerContext> tls);
  http::Response answer(http::Request& request);

  const bool is_tls_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Arrival> arrivals_;
  http::Server server_;
};

}  // namespace dynflow::migration
