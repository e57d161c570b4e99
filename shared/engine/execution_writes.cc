#include <algorithm>
#include <utility>

#include "shared/engine/execution.h"
#include "shared/engine/storable.h"
#include "shared/engine/store_errors.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "shared/persistence/output_ends.h"

namespace dynflow::engine {

using persistence::OutputChunk;

namespace {

constexpr std::chrono::milliseconds kFirstRetry{100};
constexpr std::chrono::milliseconds kLastRetry{5000};
// A store that can be reached and refuses the same rows so often will refuse them for ever.
constexpr int kMaxRefusals = 8;

bool is_final(Code code) {
  return code == Code::kClosed || code == Code::kConflict || code == Code::kNotFound || code == Code::kInvalid;
}

}  // namespace

void Execution::flush() {
  if (in_flight_ || waits_for_retry_ || is_given_up_) return;
  if (pending_.is_empty()) {
    for (auto& done : std::exchange(pending_.waiters, {})) done({});
    return;
  }
  if (const Status numbered = number_output(); !numbered.ok()) return retry_later(numbered.error());
  if (const Status told = tell_parent(); !told.ok()) return retry_later(told.error());
  in_flight_ = std::make_unique<PendingWrites>(std::exchange(pending_, {}));
  const auto durability =
      in_flight_->has_only_chunks() ? persistence::Durability::kRelaxed : persistence::Durability::kFull;
  surroundings_.membership->submit(*term_, in_flight_->to_batch(plan_), durability, [self = shared_from_this()](Status status) {
    self->strand_->post([self, status = std::move(status)] { self->written(status); });
  });
}

void Execution::written(Status status) {
  PendingWrites written = std::move(*in_flight_);
  in_flight_.reset();
  if (is_given_up_) {
    for (auto& done : written.waiters) done(status);
    return;
  }
  if (!status.ok()) {
    written.append(std::exchange(pending_, {}));
    pending_ = std::move(written);
    return retry_later(status.error());
  }
  if (failed_writes_ > 0) log::info({.task_id = plan_.id}, "the store takes writes again");
  failed_writes_ = 0;
  for (const int id : written.announced_steps) {
    if (surroundings_.is_closing) {
      withdraw(id);
    } else {
      runnable_.push_back({id, std::nullopt});
    }
  }
  for (auto& done : written.waiters) done({});
  for (auto& plan : written.hooked) surroundings_.hooks->stored(plan, {plan->state});
  if (!written.rows.empty()) {
    for (PlanObserver* observer : surroundings_.options.observers) observer->rows_stored();
  }
  if (has_ended_ && pending_.is_empty()) {
    flush();  // answers those who wait for nothing more
    return surroundings_.on_end(*this, plan_, std::exchange(secrets_, Json()));
  }
  pump();
}

void Execution::retry_later(const Error& error) {
  ++failed_writes_;
  if (is_final(error.code()) || (!may_pass(error.code()) && failed_writes_ > kMaxRefusals)) {
    const bool is_gone = error.code() == Code::kClosed || error.code() == Code::kNotFound;
    return is_gone || std::exchange(is_unstorable_, true) ? give_up(error) : fail_unstorable(error);
  }
  if (failed_writes_ == 1) {
    log::error({.task_id = plan_.id}, "the store failed, the plan waits for it: {}", error.message());
  }
  const auto delay = std::min(kLastRetry, kFirstRetry * (1 << std::min(failed_writes_ - 1, 10)));
  waits_for_retry_ = true;
  surroundings_.options.scheduler->post_at(clock().instant() + delay, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->strand_->post([self] {
      self->waits_for_retry_ = false;
      self->flush();
    });
  });
}

// The plan must not seem to run for ever. What the rows held is lost; an error has their place.
void Execution::fail_unstorable(const Error& error) {
  log::error({.task_id = plan_.id}, "the store refuses the plan's state, it is paused: {}", error.message());
  failed_writes_ = 0;
  for (auto& done : std::exchange(pending_.waiters, {})) done(error);
  const std::vector<int> unsaved = std::exchange(pending_, {}).steps;
  change([&](PlanRecord& plan) {
    if (has_ended_) {
      if (!plan.history.empty() && plan.history.back().name == history_name(plan.state)) plan.history.pop_back();
      plan.ended_at.reset();
      has_ended_ = false;
    }
    plan.state = PlanState::kRunning;
    for (StepRecord& lost : plan.steps) {
      const bool is_at_work = lost.state == StepState::kRunning || lost.state == StepState::kSuspended;
      const bool is_unsaved = lost.state != StepState::kPending && std::count(unsaved.begin(), unsaved.end(), lost.id) > 0;
      if (lost.phase == StepPhase::kPlan || (!is_at_work && !is_unsaved)) continue;
      lost.state = StepState::kError;
      lost.error = persistence::StepError{"StandardError", storable_text("its result could not be stored: " + error.message()), {}};
      pending_.steps.push_back(lost.id);
    }
  });
  enter(PlanState::kPaused);
  tell_dropped();
  flush();
}

// What is stored is the truth from now on: the next world takes the plan up from there.
void Execution::give_up(const Error& error) {
  if (is_given_up_) return;
  if (error.code() != Code::kClosed) {
    log::error({.task_id = plan_.id}, "the store refuses the plan's state, it is left as stored: {}", error.message());
  }
  is_given_up_ = true;
  change([this](PlanRecord&) { has_ended_ = true; });
  close_steps(false);
  for (auto& done : std::exchange(pending_.waiters, {})) done(error);
  tell_dropped();
  surroundings_.on_end(*this, plan_, std::exchange(secrets_, Json()));
}

void Execution::when_written(std::function<void(Status)> done) {
  if (is_given_up_) return done(Error(Code::kClosed, "the plan is not in work any more"));
  PendingWrites& last = in_flight_ && pending_.is_empty() ? *in_flight_ : pending_;
  last.waiters.push_back(std::move(done));
  flush();
}

void Execution::append_output(int action_id, std::vector<OutputChunk> chunks) {
  if (chunks.empty()) return;
  {
    const std::lock_guard lock(output_mutex_);
    incoming_output_.emplace_back(action_id, std::move(chunks));
    if (incoming_output_.size() > 1) return;  // its task is on its way
  }
  strand_->post([self = shared_from_this()] {
    self->take_output();
    self->flush();
  });
}

void Execution::flush_output(std::function<void(Status)> done) {
  strand_->post([self = shared_from_this(), done = std::move(done)]() mutable {
    self->take_output();
    self->when_written(std::move(done));
  });
}

void Execution::note_output(int step_id, Json changes, std::function<void(Status)> done) {
  strand_->post([self = shared_from_this(), step_id, changes = std::move(changes), done = std::move(done)]() mutable {
    if (self->surroundings_.is_closing) return done(Error(Code::kClosed, "the world is stopping"));
    if (self->has_ended_ || self->open_steps_.count(step_id) == 0) return done(Error(Code::kConflict, "the step has ended"));
    const int action_id = self->step(step_id).action_id;
    const std::string& stored = self->action_of(step_id).output;
    auto output = json::parse(stored.empty() ? std::string_view("{}") : std::string_view(stored));
    if (!output.ok() || !output->is_object()) return done(Error(Code::kCorrupt, "the output is no object"));
    output->merge_patch(changes);
    auto text = storable_json(*output);
    if (!text.ok()) return done(text.error());
    self->change([&](PlanRecord& plan) { plan.actions[static_cast<std::size_t>(action_id - 1)].output = std::move(*text); });
    self->pending_.actions.push_back(action_id);
    self->when_written(std::move(done));
  });
}

void Execution::take_output() {
  std::vector<std::pair<int, std::vector<OutputChunk>>> incoming;
  {
    const std::lock_guard lock(output_mutex_);
    incoming.swap(incoming_output_);
  }
  for (auto& [action_id, chunks] : incoming) {
    if (has_ended_ || action_id < 1 || static_cast<std::size_t>(action_id) > plan_.actions.size()) {
      log::warn({.task_id = plan_.id}, "{} pieces of output came for action {} after its plan had ended", chunks.size(),
                action_id);
      continue;
    }
    for (OutputChunk& chunk : chunks) {
      chunk.sequence = 0;  // numbered when it is written
      chunk.output = storable_text(std::move(chunk.output));
    }
    auto& list = pending_.chunks[action_id];
    std::move(chunks.begin(), chunks.end(), std::back_inserter(list));
  }
}

// Where the numbers go on is in the store when an earlier world or execution wrote some. While that cannot be read, output waits as it
// does for a store that cannot be written: a number given twice would cost the plan.
Status Execution::number_output() {
  for (auto& [action_id, chunks] : pending_.chunks) {
    auto counter = chunk_counters_.find(action_id);
    if (counter == chunk_counters_.end()) {
      const auto stored = last_stored_chunk(action_id);
      if (!stored.ok()) return stored.error();
      counter = chunk_counters_.emplace(action_id, *stored).first;
    }
    auto& [last_sequence, last_time] = counter->second;
    for (OutputChunk& chunk : chunks) {
      if (chunk.sequence != 0) continue;  // from a write that failed
      chunk.sequence = ++last_sequence;
      // Foreman drops a line whose time is not after the one before.
      chunk.timestamp = std::max(chunk.timestamp, last_time + std::chrono::microseconds(1));
      last_time = chunk.timestamp;
    }
  }
  return {};
}

Result<Execution::ChunkCounter> Execution::last_stored_chunk(int action_id) const {
  if (!may_have_output_) return ChunkCounter();
  const auto end = persistence::output_ends_of(*surroundings_.options.store).load_output_end(plan_.id, action_id);
  if (!end.ok()) return end.error();
  return ChunkCounter{end->sequence, end->timestamp};
}

}  // namespace dynflow::engine
