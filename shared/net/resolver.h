// Names to addresses and back, with a deadline that getaddrinfo(3) itself lacks.
//
// Threads: all methods from any thread. Up to `max_threads` threads of its own, started when needed; a lookup that
// outlives its caller's deadline goes on in one of them, and its answer is dropped.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/deadline.h"
#include "shared/base/result.h"
#include "shared/base/thread.h"
#include "shared/net/socket.h"

namespace dynflow::net {

class Resolver {
 public:
  explicit Resolver(std::size_t max_threads = 2) : max_threads_(max_threads) {}
  // Waits for lookups that are under way (the system's own limit, usually 10 s).
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // The addresses of a name, in the order of the system's preference, or the address itself, without a lookup.
  // Errors: kNotFound (no such name), kUnavailable (no answer from the name servers), kTimeout, kBusy.
  Result<std::vector<Endpoint>> addresses_of(const std::string& name, std::uint16_t port, Deadline deadline);
  // The name of an address (reverse lookup). Errors: as above; kInvalid when `address` is not one.
  Result<std::string> name_of(const std::string& address, Deadline deadline);

 private:
  template <class T>
  Result<T> run(std::function<Result<T>()> lookup, Deadline deadline);
  Status enqueue(std::function<void()> job);
  void work();

  const std::size_t max_threads_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  std::vector<NamedThread> threads_;
  std::size_t waiting_ = 0;
  bool has_stopped_ = false;
};

bool is_address(const std::string& text);

}  // namespace dynflow::net
