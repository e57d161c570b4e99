// Writes groups of batches, each in one transaction and about one round trip, and finds out what became of a commit whose answer was
// lost with the connection.
//
// Threads: one at a time, the writer's; backend() any.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "shared/persistence/postgres/connection.h"
#include "shared/persistence/store.h"

namespace dynflow::persistence::postgres {

// In whose name something is written.
struct Fence {
  std::string world;       // empty: none is registered
  std::int64_t epoch = 0;  // 0: the same
};

class GroupWriter {
 public:
  // Waits before the server is tried again; false: give up.
  using Pause = std::function<bool(Duration)>;

  GroupWriter(const ServerUrl& url, Pause pause);

  struct Outcome {
    std::vector<Status> of_batches;  // in the same order; one that fails has changed nothing, and hurts no other
    bool is_world_dead = false;      // then all are kClosed
  };
  // While the server is away this goes on trying until `pause` says no; then all are kUnavailable.
  Outcome write(const std::vector<const WriteBatch*>& batches, const Fence& fence, Durability durability);
  // Forgets what the server keeps about this writer. Nothing is written afterwards.
  void end();

  // The server's process that serves this writer; 0: none.
  int backend() const { return backend_.load(); }

 private:
  using Batches = std::vector<const WriteBatch*>;
  using Outcomes = std::vector<Status>;

  // True when there is a connection. Whatever was in doubt is settled then.
  bool connect();
  Status try_to_connect();
  void begin(const Fence& fence, Durability durability);
  Status commit_together(const Batches& batches, const Fence& fence, Durability durability);
  // A batch can fail alone. Fails itself when the connection or the whole transaction does.
  Result<Outcomes> commit_apart(const Batches& batches, const Fence& fence, Durability durability);
  Result<Status> apply_alone(const WriteBatch& batch, const Fence& fence);
  // What is wrong with a change that failed with `error`, as precisely as the database tells.
  Error explain(const WriteBatch::Change& change, const Error& error, const std::string& constraint, const Fence& fence);
  Result<std::vector<Rows>> run() { return connection_->run(std::chrono::steady_clock::now() + kGroupTime); }

  static constexpr std::chrono::seconds kGroupTime{60};

  const ServerUrl& url_;
  const Pause pause_;
  const std::int64_t id_;
  std::optional<Connection> connection_;
  std::int64_t session_ = 0;     // names the connection
  std::int64_t group_ = 0;       // the last one begun
  std::int64_t last_group_ = 0;  // the last one that the server knew as committed when the connection was made
  bool is_known_ = false;        // to the server
  bool has_given_up_ = false;    // `pause` has said no
  Failure last_failure_;         // of a transaction, once it was rolled back
  std::optional<Outcomes> apart_;  // of a group whose batches were applied one by one, when its commit was not answered
  std::atomic<int> backend_{0};
};

}  // namespace dynflow::persistence::postgres
