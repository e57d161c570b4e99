// epoll(7) with a wake-up: what event loops are built on.
//
// Threads: wait() from one thread; add, modify, remove and wake from any thread.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <span>

#include "shared/base/fd.h"
#include "shared/base/result.h"

namespace dynflow::net {

constexpr std::uint32_t kReadable = EPOLLIN;
constexpr std::uint32_t kWritable = EPOLLOUT;
constexpr std::uint32_t kPeerClosed = EPOLLRDHUP;
constexpr std::uint32_t kHangUp = EPOLLHUP;    // always reported
constexpr std::uint32_t kFailure = EPOLLERR;   // always reported
constexpr std::uint32_t kOneShot = EPOLLONESHOT;
constexpr std::uint32_t kExclusive = EPOLLEXCLUSIVE;

class Poller {
 public:
  struct Event {
    std::uint64_t tag;
    std::uint32_t events;
  };

  // Errors: kUnavailable when descriptors ran out.
  static Result<Poller> open();

  // `tag` comes back with every event of that descriptor; the all-ones value is reserved.
  Status add(int fd, std::uint32_t events, std::uint64_t tag);
  Status modify(int fd, std::uint32_t events, std::uint64_t tag);
  void remove(int fd);

  // Blocks up to `timeout_ms` (-1: no limit). The view is valid until the next call. Wake-ups are not reported:
  // they make the call return, perhaps with nothing.
  std::span<const Event> wait(int timeout_ms);
  void wake();

 private:
  Poller(Fd epoll, Fd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}

  static constexpr std::size_t kBatch = 128;
  Fd epoll_;
  Fd wake_;
  std::array<Event, kBatch> events_{};
};

}  // namespace dynflow::net
