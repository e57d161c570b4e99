// Passes connections on to a port of this machine and counts the bytes: what travels between proxy and core.
//
// Threads: start and stop from the owner's thread; counts() from any.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "shared/base/fd.h"
#include "shared/base/result.h"
#include "shared/base/thread.h"

namespace dynflow::migration {

class ByteCounter {
 public:
  // Listens on a free port of 127.0.0.1 and passes on to `target` there. Errors: those of net::listen_on, kUnavailable.
  static Result<std::unique_ptr<ByteCounter>> start(std::uint16_t target);
  // Cuts what is still open.
  ~ByteCounter();

  std::uint16_t port() const { return port_; }

  struct Counts {
    std::uint64_t to_core = 0;    // bytes, since start
    std::uint64_t from_core = 0;
  };
  Counts counts() const { return {to_core_, from_core_}; }

 private:
  explicit ByteCounter(std::uint16_t target) : target_(target) {}
  void run();

  std::uint16_t target_;
  std::uint16_t port_ = 0;
  Fd listener_;
  Fd wake_;  // readable = stop
  std::atomic<std::uint64_t> to_core_ = 0;
  std::atomic<std::uint64_t> from_core_ = 0;
  NamedThread thread_;
};

}  // namespace dynflow::migration
