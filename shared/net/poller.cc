#include "shared/net/poller.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "shared/net/socket.h"

namespace dynflow::net {
namespace {

constexpr std::uint64_t kWakeTag = ~std::uint64_t{0};

Status control(int epoll, int operation, int fd, std::uint32_t events, std::uint64_t tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  if (::epoll_ctl(epoll, operation, fd, &event) != 0) {
    return Error(Code::kFailed, "epoll_ctl: " + errno_text(errno));
  }
  return {};
}

}  // namespace

Result<Poller> Poller::open() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return Error(Code::kUnavailable, "epoll_create1: " + errno_text(errno));
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return Error(Code::kUnavailable, "eventfd: " + errno_text(errno));
  if (auto added = control(epoll.get(), EPOLL_CTL_ADD, wake.get(), EPOLLIN, kWakeTag); !added) return added.error();
  return Poller(std::move(epoll), std::move(wake));
}

Status Poller::add(int fd, std::uint32_t events, std::uint64_t tag) {
  return control(epoll_.get(), EPOLL_CTL_ADD, fd, events, tag);
}

Status Poller::modify(int fd, std::uint32_t events, std::uint64_t tag) {
  return control(epoll_.get(), EPOLL_CTL_MOD, fd, events, tag);
}

void Poller::remove(int fd) {
  // Fails only for a descriptor that is not watched, which is what the caller wants.
  (void)control(epoll_.get(), EPOLL_CTL_DEL, fd, 0, 0);
}

std::span<const Poller::Event> Poller::wait(int timeout_ms) {
  std::array<epoll_event, kBatch> raw;
  const int count = ::epoll_wait(epoll_.get(), raw.data(), static_cast<int>(raw.size()), timeout_ms);
  std::size_t used = 0;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = raw[static_cast<std::size_t>(i)];
    if (event.data.u64 == kWakeTag) {
      std::uint64_t ticks = 0;
      (void)!::read(wake_.get(), &ticks, sizeof ticks);  // only resets the counter
      continue;
    }
    events_[used++] = {event.data.u64, event.events};
  }
  return {events_.data(), used};
}

void Poller::wake() {
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);  // a full counter wakes as well
}

}  // namespace dynflow::net
