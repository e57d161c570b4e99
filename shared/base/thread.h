// Named threads that are always joined.
//
// Threads: start and join from the owner's thread.
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace dynflow {

class NamedThread {
 public:
  NamedThread() = default;
  // `name` is cut to the 15 characters that the kernel keeps. All signals are blocked in the new thread: the
  // main thread of a program handles them. What escapes `body` ends the process, after its text was written
  // to standard error.
  NamedThread(std::string name, std::function<void()> body);
  NamedThread(NamedThread&&) = default;
  NamedThread& operator=(NamedThread&& other) noexcept;
  ~NamedThread() { join(); }

  // Returns when the thread has ended; harmless twice.
  void join();
  bool is_running() const { return thread_.joinable(); }

 private:
  std::thread thread_;
};

}  // namespace dynflow
