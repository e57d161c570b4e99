#include "shared/persistence/sqlite/reader_pool.h"

namespace dynflow::persistence {

ReaderPool::Loan ReaderPool::borrow() {
  std::unique_lock lock(mutex_);
  // Tickets, because a mutex is not fair: in memory mode the writer borrows the only connection again and again, and
  // would starve everybody.
  const std::uint64_t ticket = next_ticket_++;
  changed_.wait(lock, [&] { return served_ == ticket && !free_.empty(); });
  ++served_;
  Reader* reader = free_.back();
  free_.pop_back();
  if (served_ != next_ticket_ && !free_.empty()) changed_.notify_all();
  return {*this, reader};
}

void ReaderPool::give_back(Reader* reader, Duration lent) {
  times_.observe(lent);
  const std::lock_guard lock(mutex_);
  free_.push_back(reader);
  if (served_ != next_ticket_) changed_.notify_all();
}

}  // namespace dynflow::persistence
