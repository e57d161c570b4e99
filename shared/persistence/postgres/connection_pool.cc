#include "shared/persistence/postgres/connection_pool.h"

namespace dynflow::persistence::postgres {
namespace {

constexpr std::chrono::seconds kConnectTime{3};
constexpr std::chrono::milliseconds kRefusalTime{500};
constexpr std::chrono::seconds kStatementTime{35};

const std::string kSetup =
    "SELECT set_config('statement_timeout', '30s', false), set_config('lock_timeout', '10s', false),"
    " set_config('idle_in_transaction_session_timeout', '10s', false), set_config('jit', 'off', false)";

}  // namespace

Instant ConnectionPool::deadline() { return std::chrono::steady_clock::now() + kStatementTime; }

ConnectionPool::Slot* ConnectionPool::borrow() {
  std::unique_lock lock(mutex_);
  const std::uint64_t ticket = next_ticket_++;
  changed_.wait(lock, [&] { return served_ == ticket && !free_.empty(); });
  ++served_;
  Slot* slot = free_.back();
  free_.pop_back();
  if (served_ != next_ticket_ && !free_.empty()) changed_.notify_all();
  return slot;
}

void ConnectionPool::give_back(Slot* slot) {
  const std::lock_guard lock(mutex_);
  free_.push_back(slot);
  if (served_ != next_ticket_) changed_.notify_all();
}

Status ConnectionPool::connect(Slot& slot) {
  {
    const std::lock_guard lock(mutex_);
    if (refusal_ && std::chrono::steady_clock::now() < refused_until_) return *refusal_;
  }
  Result<Connection> made = Connection::open(url_, kSetup, std::chrono::steady_clock::now() + kConnectTime);
  const std::lock_guard lock(mutex_);
  if (!made.ok()) {
    refusal_ = made.error();
    refused_until_ = std::chrono::steady_clock::now() + kRefusalTime;
    return made.error();
  }
  refusal_.reset();
  slot.emplace(std::move(*made));
  return {};
}

}  // namespace dynflow::persistence::postgres
