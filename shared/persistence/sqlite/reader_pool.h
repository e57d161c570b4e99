// Lends connections for reading, first come, first served.
//
// Threads: any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "shared/metrics/numbers.h"
#include "shared/persistence/sqlite/reader.h"

namespace dynflow::persistence {

class ReaderPool {
 public:
  // A borrowed reader; goes back at the end of its life.
  class Loan {
   public:
    Loan(ReaderPool& pool, Reader* reader) : pool_(&pool), reader_(reader) {}
    Loan(Loan&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), reader_(other.reader_), since_(other.since_) {}
    Loan& operator=(Loan&&) = delete;
    ~Loan() {
      if (pool_ != nullptr) pool_->give_back(reader_, std::chrono::steady_clock::now() - since_);
    }
    Reader* operator->() const { return reader_; }

   private:
    ReaderPool* pool_;
    Reader* reader_;
    Instant since_ = std::chrono::steady_clock::now();
  };

  // `times`: of the loans; it outlives the pool.
  explicit ReaderPool(metrics::Histogram& times) : times_(times) {}

  // The readers outlive the pool. Before any borrow().
  void add(Reader& reader) { free_.push_back(&reader); }
  // Waits until all who asked earlier were served; as long as their queries take.
  [[nodiscard]] Loan borrow();

 private:
  void give_back(Reader* reader, Duration lent);

  metrics::Histogram& times_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Reader*> free_;
  std::uint64_t next_ticket_ = 0;
  std::uint64_t served_ = 0;  // tickets below have got their reader
};

}  // namespace dynflow::persistence
