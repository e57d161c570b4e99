#include "migration/rehearse/byte_counter.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "shared/net/socket.h"

namespace dynflow::migration {

namespace {

constexpr std::chrono::seconds kWriteDeadline{10};  // both ends are on this machine

struct Way {
  Fd client;
  Fd core;
  bool is_over = false;
};

bool write_all(int fd, const char* data, std::size_t size) {
  const Deadline deadline = Deadline::after(kWriteDeadline);
  while (size > 0) {
    const ssize_t sent = ::send(fd, data, size, MSG_NOSIGNAL);
    if (sent > 0) {
      data += sent;
      size -= static_cast<std::size_t>(sent);
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) return false;
    pollfd entry{fd, POLLOUT, 0};
    if (deadline.has_passed() || ::poll(&entry, 1, deadline.left_ms()) < 0) return false;
  }
  return true;
}

// What is there now; false when that end is closed.
bool pass(int from, int to, std::atomic<std::uint64_t>& count) {
  char buffer[65536];
  const ssize_t got = ::recv(from, buffer, sizeof buffer, 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  count += static_cast<std::uint64_t>(got);
  return write_all(to, buffer, static_cast<std::size_t>(got));
}

}  // namespace

Result<std::unique_ptr<ByteCounter>> ByteCounter::start(std::uint16_t target) {
  auto sockets = net::listen_on("127.0.0.1", 0);
  if (!sockets) return sockets.error();
  std::unique_ptr<ByteCounter> counter(new ByteCounter(target));
  counter->port_ = sockets->front().bound.port;
  counter->listener_ = std::move(sockets->front().fd);
  counter->wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!counter->wake_) return Error(Code::kUnavailable, "eventfd: " + net::errno_text(errno));
  ByteCounter& self = *counter;
  counter->thread_ = NamedThread("byte-counter", [&self] { self.run(); });
  return counter;
}

ByteCounter::~ByteCounter() {
  const std::uint64_t one = 1;
  if (wake_) [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
  thread_.join();
}

void ByteCounter::run() {
  std::vector<Way> ways;
  while (true) {
    std::vector<pollfd> entries = {{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const Way& way : ways) {
      entries.push_back({way.client.get(), POLLIN, 0});
      entries.push_back({way.core.get(), POLLIN, 0});
    }
    if (::poll(entries.data(), entries.size(), -1) < 0) continue;
    if (entries[0].revents != 0) return;
    for (std::size_t i = 0; i < ways.size(); ++i) {
      Way& way = ways[i];
      if (entries[2 + 2 * i].revents != 0) way.is_over |= !pass(way.client.get(), way.core.get(), to_core_);
      if (entries[3 + 2 * i].revents != 0) way.is_over |= !pass(way.core.get(), way.client.get(), from_core_);
    }
    std::erase_if(ways, [](const Way& way) { return way.is_over; });
    if (entries[1].revents != 0) {
      auto accepted = net::accept_from(listener_.get());
      auto connected = net::connect_to({{"127.0.0.1", target_}}, Deadline::after(std::chrono::seconds(5)));
      if (accepted && connected) ways.push_back({std::move(accepted->fd), std::move(*connected)});
    }
  }
}

}  // namespace dynflow::migration
