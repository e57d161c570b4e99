// Lends connections for reading and for short transactions, first come, first served. They are made when they are needed, and made
// again when they were lost.
//
// Threads: any.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "shared/metrics/numbers.h"
#include "shared/persistence/postgres/connection.h"

namespace dynflow::persistence::postgres {

class ConnectionPool {
 public:
  // At most `size` connections. `times`: of what is done with one; it outlives the pool.
  ConnectionPool(const ServerUrl& url, std::size_t size, metrics::Histogram& times) : url_(url), times_(times), slots_(size) {
    for (Slot& slot : slots_) free_.push_back(&slot);
  }

  // Calls `use` with a connection. When the connection turns out to be lost it is called once more with a new one: what it does must
  // be harmless twice. Waits until all who asked earlier were served. Errors: those of `use`, and kUnavailable, within
  // seconds, when the server is away.
  template <class Use>
  auto with(Use use) -> decltype(use(std::declval<Connection&>())) {
    const Loan loan(*this);
    for (int attempt = 0;; ++attempt) {
      const bool was_connected = loan.slot->has_value();
      if (!was_connected) {
        if (Status connected = connect(*loan.slot); !connected.ok()) return connected.error();
      }
      auto result = use(**loan.slot);
      if (!(*loan.slot)->is_lost()) return result;
      loan.slot->reset();
      if (!was_connected || attempt > 0) return result;
    }
  }
  // with(), for one transaction of several statements that `queue` queues.
  template <class Queue>
  Result<std::vector<Rows>> transact(Queue queue) {
    return with([&](Connection& connection) -> Result<std::vector<Rows>> {
      connection.queue_text("BEGIN");
      queue(connection);
      connection.queue_text("COMMIT");
      auto answers = connection.run(deadline());
      if (!answers.ok()) {
        if (connection.is_lost()) return answers;
        connection.queue_text("ROLLBACK");
        // A connection that is lost meanwhile is made again by the next who needs it.
        static_cast<void>(connection.run(deadline()));
        return answers;
      }
      answers->erase(answers->begin());
      answers->pop_back();
      return answers;
    });
  }
  // One statement.
  template <class... Values>
  Result<Rows> run(const Statement& statement, const Values&... values) {
    auto answers = with([&](Connection& connection) {
      connection.queue(statement, values...);
      return connection.run(deadline());
    });
    if (!answers.ok()) return answers.error();
    return std::move(answers->front());
  }

  // For one run(): somewhat longer than the server lets a statement run.
  static Instant deadline();

 private:
  using Slot = std::optional<Connection>;
  struct Loan {
    explicit Loan(ConnectionPool& its_pool) : pool(its_pool), slot(its_pool.borrow()) {}
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    ~Loan() {
      pool.times_.observe(std::chrono::steady_clock::now() - since);
      pool.give_back(slot);
    }
    ConnectionPool& pool;
    Slot* slot;
    const Instant since = std::chrono::steady_clock::now();
  };

  Slot* borrow();
  void give_back(Slot* slot);
  Status connect(Slot& slot);

  const ServerUrl& url_;
  metrics::Histogram& times_;
  std::vector<Slot> slots_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Slot*> free_;
  std::uint64_t next_ticket_ = 0;
  std::uint64_t served_ = 0;       // tickets below have got their connection
  Instant refused_until_{};        // after a failure nobody tries for a moment
  std::optional<Error> refusal_;
};

}  // namespace dynflow::persistence::postgres
