// A few threads for what would block the event loop: names, key files, known_hosts under its lock.
//
// Threads: all methods may be called from any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "shared/base/thread.h"
#include "shared/net/event_loop.h"

namespace dynflow::remote_execution {

// The way back from a background thread to an object on a loop, which may have gone meanwhile, the loop included.
class ReturnPath {
 public:
  explicit ReturnPath(net::EventLoop& loop) : loop_(&loop) {}
  // Runs `task` on the loop unless the path is cut.
  void post(std::function<void()> task);
  // When this returns, no more tasks are posted. Tasks posted before may still run: they must look at is_cut().
  void cut();
  bool is_cut();

 private:
  std::mutex mutex_;
  net::EventLoop* loop_;
};

class Background {
 public:
  explicit Background(std::size_t threads) : wanted_(threads) {}
  ~Background() { stop(); }

  // Runs `work` on one of the threads. After stop() it is dropped.
  void run(std::function<void()> work);
  // Drops what waits, returns when nothing runs. Harmless twice.
  void stop();

 private:
  void serve();

  const std::size_t wanted_;
  std::mutex mutex_;  // guards the rest
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  std::vector<NamedThread> threads_;  // started when there is work
  std::size_t idle_ = 0;
  bool is_stopping_ = false;
};

}  // namespace dynflow::remote_execution
