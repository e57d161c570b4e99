// Keeps the world in its place among the others on the store: renews its lease, declares those dead that do not, takes over plans that
// nobody works on, and hears of events that others stored for its plans.
//
// On a store that no other process uses there is nobody to renew for, and nothing comes by itself: no timer runs then.
//
// Threads: all methods may be called from any thread; what it does, after start(), happens on its own strand, where it may
// block on the store.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shared/engine/execution.h"

namespace dynflow::engine {

// What the coordinator has the world do. Called within start() or on its strand.
struct CoordinatorTasks {
  // How many more plans the world may take over; of such as others had time to take, even if that is more than its share.
  std::function<std::size_t(bool is_overdue)> room;
  std::function<void(std::vector<std::string> plan_ids)> take_over;  // claimed in the present term
  std::function<void(std::vector<persistence::EventRecord>)> hand_over_events;  // some may be handled already
  std::function<void()> drop_all;     // the term is over
  std::function<bool()> are_dropped;  // nothing of the dropped plans runs any more
  std::function<void()> look;         // for delayed plans
};

class Coordinator : public std::enable_shared_from_this<Coordinator> {
 public:
  // Held by shared_ptr: the world, and tasks under way.
  Coordinator(Surroundings& surroundings, CoordinatorTasks tasks);

  // Joins, and takes over a first portion of what there is room for; the rest follows on the strand. Blocks.
  Status start();
  // No timer runs from now on, nothing more is taken over. Harmless twice.
  void stop();
  // Leaves the store. Blocks. After stop(); harmless twice.
  void leave();

  // There is room again: plans that nobody works on are asked for, if there may be any.
  void room_made();
  // Such plans have just been stored here.
  void orphans_made();
  // Others may have stored something that concerns this world.
  void wake();
  // A write was refused: are we still alive?
  void check();

  // Other worlds are alive, as far as is known.
  bool has_company() const { return has_company_; }

 private:
  void post(std::function<void()> task);
  void arm(Duration after);
  void tick();
  void look_around();
  void fetch_events();
  void claim();
  Result<bool> claim_portion();
  void fenced();
  void rejoin();
  Status join(const std::string& world_id);
  bool is_over() const { return is_stopped_ || surroundings_.is_closing; }
  Duration renew_interval() const;
  persistence::Store& store() const { return *surroundings_.options.store; }
  Clock const& clock() const { return *surroundings_.options.clock; }

  Surroundings& surroundings_;
  const CoordinatorTasks tasks_;
  const std::shared_ptr<Strand> strand_;
  std::atomic<bool> is_stopped_{false};
  std::atomic<bool> has_started_{false};  // start() takes over by itself what there is
  std::atomic<bool> has_joined_{false};
  std::atomic<bool> has_company_{false};
  std::atomic<bool> may_have_orphans_{false};
  std::atomic<bool> is_overdue_{true};        // what nobody works on has been so for a while
  std::atomic<bool> is_claim_posted_{false};
  std::atomic<bool> is_wake_posted_{false};
  std::atomic<bool> is_check_posted_{false};
  std::atomic<Scheduler::TimerId> timer_{0};
  bool is_rejoining_ = false;     // on the strand
  Instant rejoin_anyway_{};       // on the strand: then an action that does not end is not waited for any more
  bool has_failed_ = false;       // on the strand: the last call of the store, which was logged
  std::atomic<Instant> events_not_before_{Instant{}};  // reading them all must not become the only work
};

}  // namespace dynflow::engine
