// The world's place among the worlds on its store, and the one way by which it writes. A term is the time between a join and the
// moment at which the world was declared dead: nothing of an earlier term is written in a later one, because another
// world may have taken up the plans by then.
//
// Threads: all methods may be called from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <shared_mutex>
#include <string>

#include "shared/engine/strand.h"
#include "shared/persistence/store.h"

namespace dynflow::engine {

struct Term {
  std::uint64_t number = 0;
  std::string world_id;
};

class Membership {
 public:
  // The first term begins at once, so that a world has an id before it joins.
  Membership(persistence::Store& store, std::shared_ptr<Activity> activity, std::string world_id);

  // The present term, or the last one when there is none now.
  std::shared_ptr<const Term> term() const;
  bool is_open() const;
  // True while `term` lasts.
  bool is_in(const Term& term) const;
  void begin_term(std::string world_id);
  // No write of a term so far reaches the store from now on.
  void end_term();

  // As Store::submit(). Completes with kClosed, in the caller's thread, when `term` is over.
  void submit(const Term& term, persistence::WriteBatch batch, persistence::Durability durability,
              persistence::Store::Completion completion);
  // Called, on a thread of the store, when it refuses to write for a world of the present term. Set before the first write.
  void set_on_refused(std::function<void()> on_refused) { on_refused_ = std::move(on_refused); }

 private:
  persistence::Store& store_;
  const std::shared_ptr<Activity> activity_;
  std::function<void()> on_refused_;
  mutable std::shared_mutex mutex_;  // held shared while a batch is handed over, which blocks on nothing
  std::shared_ptr<const Term> term_;
  bool is_open_ = true;
};

}  // namespace dynflow::engine
