// Queues: how many steps of a kind are at work at once, over all plans of a world. A step of a queue that is full waits, first come
// first served, and holds no thread meanwhile; neither does its plan.
//
// Threads: all methods may be called from any thread. Callbacks are called without a lock.
//
// Source: Dynflow 2.0.0, lib/dynflow/executors/parallel/{core,pool}.rb, executors/abstract/core.rb.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/base/result.h"

namespace dynflow::engine {

inline constexpr std::string_view kDefaultQueue = "default";

struct QueueOptions {
  std::string name;
  std::size_t pool_size = 5;  // steps at work at once; 0 = as many as there are threads
  // New plans with steps of this queue are refused (kBusy) while more wait; steps of plans in work always may. 0 = no bound.
  std::size_t max_waiting = 0;
};

struct QueueStatus {
  std::string name;
  std::size_t pool_size = 0;  // 0 = as many as there are threads: then nothing is counted
  std::size_t free = 0;
  std::size_t waiting = 0;
};

class Queue : public std::enable_shared_from_this<Queue> {
 public:
  // The right to be at work, handed over by take() or Granted; given back when it goes.
  class Slot {
   public:
    Slot() = default;
    explicit Slot(std::shared_ptr<Queue> queue) : queue_(std::move(queue)) {}
    Slot(Slot&&) = default;
    Slot& operator=(Slot&& other) noexcept {
      std::swap(queue_, other.queue_);
      return *this;
    }
    ~Slot() {
      if (queue_) queue_->release();
    }

   private:
    std::shared_ptr<Queue> queue_;  // shared with the queues of the world and the slots of others
  };
  // A slot is there: true when it is taken, by Slot(queue); else it goes to the next. Called once, in the thread that gave it back.
  using Granted = std::function<bool(const std::shared_ptr<Queue>& queue)>;

  explicit Queue(QueueOptions options) : options_(std::move(options)) {}

  const std::string& name() const { return options_.name; }
  // False: nothing needs to be asked for.
  bool is_limited() const { return options_.pool_size > 0; }
  // A free slot; nothing when there is none: then `granted` will be called.
  std::optional<Slot> take(Granted granted);
  bool is_full() const;
  QueueStatus status() const;

 private:
  void release();

  const QueueOptions options_;
  mutable std::mutex mutex_;
  std::size_t at_work_ = 0;
  std::deque<Granted> waiting_;
};

class Queues {
 public:
  // `default` is always there; kConflict: a name is given twice.
  static Result<Queues> make(std::vector<QueueOptions> options);

  // Of an unknown name: `default`.
  Queue& find(std::string_view name) const;
  std::vector<QueueStatus> status() const;  // by name

 private:
  std::map<std::string, std::shared_ptr<Queue>, std::less<>> queues_;
  std::shared_ptr<Queue> default_;
};

}  // namespace dynflow::engine
