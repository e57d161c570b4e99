// Delivers callbacks to Foreman from durable rows: retried with backoff, many in one request, split when a batch is refused so
// that one poisoned entry never blocks the rest.
//
// While Foreman cannot be reached, one request at a time asks whether it is back, ever less often; everything waits as rows. An
// entry that Foreman refuses even alone is tried again by itself, ever less often, then abandoned, and stays visible.
//
// Threads: all methods may be called from any thread; delivery has `connections` threads of its own.
//
// Source of the request's form: theforeman/smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/callback.rb; what Foreman does with it:
// theforeman/foreman-tasks, app/controllers/foreman_tasks/api/tasks_controller.rb.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "shared/base/clock.h"
#include "shared/base/deadline.h"
#include "shared/base/result.h"
#include "shared/persistence/store.h"

namespace dynflow::callback {

// The other end.
class ForemanClient {
 public:
  virtual ~ForemanClient() = default;
  // Blocks until Foreman answered, at most about a minute. Errors: kUnavailable, kTimeout, kForbidden, kNotFound, kClosed: nothing is
  // said about any entry, Foreman is down or does not know us; anything else: the body was refused. Called from several threads.
  virtual Status post(std::string_view body, const std::string& request_id) = 0;
  // Ends posts under way, and later ones, with kClosed.
  virtual void close() = 0;
};

struct OutboxOptions {
  std::size_t max_entries = 100;               // in one request
  std::size_t max_bytes = 8 * 1024 * 1024;     // of one request's body, unless a single entry is larger
  std::size_t connections = 4;                 // requests at once
  std::chrono::seconds first_delay{2};         // after a failure; doubled up to max_delay
  std::chrono::seconds max_delay{300};
  std::chrono::seconds max_outage_delay{30};   // between two looks whether Foreman is back
  std::chrono::hours give_up_after{24};        // then the entry is abandoned
};

// What it has done since it was made.
struct OutboxNumbers {
  std::uint64_t delivered = 0;        // entries
  std::uint64_t refused = 0;          // attempts with one entry alone that Foreman refused, or that had nothing to report for now
  std::uint64_t failed_requests = 0;  // Foreman was not there
  std::uint64_t abandoned = 0;        // entries
  bool is_foreman_away = false;       // now
};

class Outbox {
 public:
  // `data_of` gives what an entry reports, an object as JSON text. Errors: kNotFound and kCorrupt are final.
  using DataOf = std::function<Result<std::string>(const persistence::OutboxRecord&)>;

  Outbox(persistence::Store& store, ForemanClient& client, DataOf data_of, OutboxOptions options,
         const Clock& clock = system_clock());
  ~Outbox();

  // Both harmless twice. stop() first lets what is due go out, up to `drain` and not while Foreman is away; then it closes the
  // client. What is not delivered stays as rows.
  void start();
  void stop(Deadline drain = Deadline::after(Duration::zero()));
  // New entries may be there. Cheap; call after every commit that put one.
  void wake();

  OutboxNumbers numbers() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // owners: this, and writes of the store under way
};

}  // namespace dynflow::callback
