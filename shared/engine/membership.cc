#include "shared/engine/membership.h"

#include <mutex>
#include <utility>

namespace dynflow::engine {

Membership::Membership(persistence::Store& store, std::shared_ptr<Activity> activity, std::string world_id)
    : store_(store),
      activity_(std::move(activity)),
      term_(std::make_shared<const Term>(Term{1, std::move(world_id)})) {}

std::shared_ptr<const Term> Membership::term() const {
  const std::shared_lock lock(mutex_);
  return term_;
}

bool Membership::is_open() const {
  const std::shared_lock lock(mutex_);
  return is_open_;
}

bool Membership::is_in(const Term& term) const {
  const std::shared_lock lock(mutex_);
  return is_open_ && term.number == term_->number;
}

void Membership::begin_term(std::string world_id) {
  const std::unique_lock lock(mutex_);
  term_ = std::make_shared<const Term>(Term{term_->number + 1, std::move(world_id)});
  is_open_ = true;
}

void Membership::end_term() {
  const std::unique_lock lock(mutex_);
  is_open_ = false;
}

void Membership::submit(const Term& term, persistence::WriteBatch batch, persistence::Durability durability,
                        persistence::Store::Completion completion) {
  activity_->write_began();
  {
    const std::shared_lock lock(mutex_);
    if (is_open_ && term.number == term_->number) {
      return store_.submit(std::move(batch), durability,
                           [this, completion = std::move(completion), activity = activity_](Status status) {
                             if (!status.ok() && status.error().code() == Code::kClosed && on_refused_) on_refused_();
                             completion(std::move(status));
                             activity->write_ended();
                           });
    }
  }
  completion(Error(Code::kClosed, "the world was declared dead"));
  activity_->write_ended();
}

}  // namespace dynflow::engine
