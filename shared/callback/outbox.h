// Delivers callbacks to Foreman from durable rows: retried with backoff, many in one request, split when a batch is refused so
// that one poisoned entry never blocks the rest.
//
// Threads: all methods may be called from any thread; delivery has a thread of its own.
//
// Source of the request's form: theforeman/smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/callback.rb; what Foreman does with it:
// theforeman/foreman-tasks, app/controllers/foreman_tasks/api/tasks_controller.rb.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/result.h"
#include "shared/persistence/store.h"

namespace dynflow::callback {

// One callback ready to send, as JSON texts.
struct Delivery {
  std::string entry_id;
  std::string callback;
  std::string data;  // an object
};

// The other end. `post` blocks until Foreman answered; kUnavailable and kTimeout mean that nothing can be said about any entry,
// anything else that the request as a whole was refused.
class ForemanClient {
 public:
  virtual ~ForemanClient() = default;
  virtual Status post(std::string_view body, const std::string& request_id) = 0;
};

struct OutboxOptions {
  std::size_t max_entries = 100;               // in one request
  std::size_t max_bytes = 8 * 1024 * 1024;     // of one request's body, unless a single entry is larger
  std::chrono::seconds first_delay{2};         // after a failure; doubled up to max_delay
  std::chrono::seconds max_delay{300};
  std::chrono::hours give_up_after{24};        // then the entry is abandoned
};

class Outbox {
 public:
  // `data_of` gives the output document of an entry's action.
  using DataOf = std::function<Result<std::string>(const persistence::OutboxRecord&)>;

  Outbox(persistence::Store& store, ForemanClient& client, DataOf data_of, OutboxOptions options,
         const Clock& clock = system_clock());
  ~Outbox();

  void start();
  void stop();
  // New entries may be there. Cheap; call after every commit that put one.
  void wake();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dynflow::callback
