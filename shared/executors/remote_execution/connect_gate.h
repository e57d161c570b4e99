// Limits how many handshakes go on at once: they are what costs, and a host behind a bastion meets the bastion's limit.
//
// Threads: the loop's thread; must outlive its tickets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <utility>

#include "shared/net/event_loop.h"

namespace dynflow::remote_execution {

class ConnectGate {
 public:
  explicit ConnectGate(std::size_t limit) : limit_(limit) {}

  // A place in the queue and later inside; given back when it goes.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)), id_(other.id_) {}
    Ticket& operator=(Ticket&& other) noexcept {
      if (this != &other) {
        release();
        gate_ = std::exchange(other.gate_, nullptr);
        id_ = other.id_;
      }
      return *this;
    }
    ~Ticket() { release(); }
    void release() {
      if (gate_ != nullptr) std::exchange(gate_, nullptr)->leave(id_);
    }

   private:
    friend class ConnectGate;
    Ticket(ConnectGate* gate, std::uint64_t id) : gate_(gate), id_(id) {}
    ConnectGate* gate_ = nullptr;
    std::uint64_t id_ = 0;
  };

  // `enter` runs on the loop, not within this call, when there is room; not after the ticket went.
  Ticket queue(net::EventLoop& loop, std::function<void()> enter) {
    const std::uint64_t id = next_id_++;
    waiting_.push_back({id, &loop, std::move(enter)});
    admit();
    return Ticket(this, id);
  }

 private:
  struct Waiting {
    std::uint64_t id;
    net::EventLoop* loop;
    std::function<void()> enter;
  };

  void admit() {
    while (inside_.size() < limit_ && !waiting_.empty()) {
      Waiting next = std::move(waiting_.front());
      waiting_.pop_front();
      const auto valid = std::make_shared<bool>(true);
      inside_.push_back({next.id, valid});
      next.loop->post([valid, enter = std::move(next.enter)] {
        if (*valid) enter();
      });
    }
  }
  void leave(std::uint64_t id) {
    const std::size_t was_inside = inside_.remove_if([&](const Inside& inside) {
      if (inside.id == id) *inside.valid = false;
      return inside.id == id;
    });
    if (was_inside == 0) waiting_.remove_if([&](const Waiting& waiting) { return waiting.id == id; });
    admit();
  }

  struct Inside {
    std::uint64_t id;
    std::shared_ptr<bool> valid;  // owners: this entry and the task that enters
  };

  const std::size_t limit_;
  std::uint64_t next_id_ = 1;
  std::list<Waiting> waiting_;
  std::list<Inside> inside_;
};

}  // namespace dynflow::remote_execution
