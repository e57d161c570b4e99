#include "proxy/dynflow/mode_control.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::proxy {
namespace {

using namespace std::chrono_literals;

constexpr Duration kAskTimeout = 20s;
// A change that somebody asks for waits so long for another one to end.
constexpr Duration kChangePatience = 10s;
// A document for people must not wait as long for a side that hangs.
constexpr Duration kShortAskTimeout = 5s;
constexpr Duration kReportEvery = 60s;
constexpr Duration kLookEvery = 1s;
// Ruby cores take seconds to count: they are asked so seldom that they do little else.
constexpr int kLookShare = 10;
constexpr Duration kLongestPause = 30s;
constexpr std::size_t kIdsShown = 50;
// How many of the tasks that we know of are asked about when a core does not list its tasks.
constexpr std::size_t kIdsAsked = 1000;

std::size_t index_of(Side side) { return side == Side::kOwn ? 0 : 1; }

}  // namespace

// Keeps other changes away while it lives.
class ModeControl::Change {
 public:
  Change(ModeControl& control, Duration patience) : control_(control) {
    std::unique_lock lock(control_.mutex_);
    control_.changed_.wait_for(lock, patience, [&] { return !control_.is_changing_ || control_.is_stopping_; });
    has_it_ = !control_.is_changing_ && !control_.is_stopping_;
    if (has_it_) control_.is_changing_ = true;
  }
  Change(const Change&) = delete;
  ~Change() {
    if (!has_it_) return;
    const std::lock_guard lock(control_.mutex_);
    control_.is_changing_ = false;
    control_.changed_.notify_all();
  }
  explicit operator bool() const { return has_it_; }

 private:
  ModeControl& control_;
  bool has_it_ = false;
};

ModeControl::ModeControl(Options options)
    : options_(std::move(options)), clock_(*options_.clock), file_(options_.file) {}

ModeControl::~ModeControl() { stop(Deadline::after(Duration::zero())); }

Status ModeControl::start(ModeState state, std::optional<SavedMode> saved, std::string reason, std::optional<Drain> drain) {
  if (Status provided = provide(state, true); !provided) return provided;
  const Side target = row_of(state).target;
  const Time now = clock_.now();
  // What became of tasks on the other side was asked for before the restart, too.
  const bool has_follow_up = saved && state == ModeState::kInProcess && saved->follows_hand_over &&
                             now - saved->since < options_.policy.follow_up;
  std::shared_ptr<Backend> other;
  if (has_follow_up) {
    if (auto made = options_.make_other()) other = *std::move(made);
  }
  SavedMode mode;
  bool is_whole = true;
  {
    const std::lock_guard lock(mutex_);
    if (other) view_.other = std::move(other);
    // The old side may be missing now: then there is nothing to hand over.
    view_.state = view_.side(opposite(target)) ? state : settled(target);
    is_whole = view_.state == state;
    const bool is_same = saved && view_.state == saved->state;
    since_ = is_same ? saved->since : now;
    entered_ = clock_.instant() - std::clamp<Duration>(now - since_, Duration::zero(), 24h);
    next_report_ = clock_.instant() + kReportEvery;
    reason_ = is_same ? saved->reason : std::move(reason);
    follows_hand_over_ = is_same && saved->follows_hand_over;
    drain_ = std::move(drain);
    mode = as_it_is();
  }
  if (mode.drain) {
    log::warn({}, "Launches are refused since {} ({}); dynflow-migrate undrain takes them again", dynflow_time(mode.drain->since), mode.drain->reason);
  }
  // What is missing may be there again at the next start, as a database that was started later: what was remembered still counts then.
  if (Status done = is_whole ? remember(mode) : Status(); !done) log::error({}, "The mode is not remembered across restarts: {}", done.error().message());
  if (row_of(mode.state).is_hand_over) log::info({}, "Mode: {} since {} goes on", to_string(mode.state), dynflow_time(mode.since));
  if (options_.looks_by_itself) thread_ = NamedThread("mode", [this] { work(); });
  return {};
}

void ModeControl::stop(Deadline deadline) {
  View last;
  std::shared_ptr<Backend> retired;
  {
    std::unique_lock lock(mutex_);
    is_stopping_ = true;
    changed_.notify_all();
    changed_.wait_until(lock, deadline.when(), [this] { return !is_changing_; });
    last = view_;
    retired = std::exchange(retired_, nullptr);
  }
  // The thread may be asking a side that hangs.
  if (last.other) last.other->interrupt();
  thread_.join();
  if (last.own) last.own->stop(deadline);
  if (last.other) last.other->stop(deadline);
  if (retired) retired->stop(deadline);
}

ModeControl::View ModeControl::view() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

ModeControl::Launch::~Launch() {
  if (control_ == nullptr) return;
  const std::lock_guard lock(control_->mutex_);
  if (--control_->launches_[index_of(view_.target())] == 0) control_->changed_.notify_all();
}

Result<ModeControl::Launch> ModeControl::begin_launch(Deadline deadline) {
  std::unique_lock lock(mutex_);
  const auto is_clear = [this] { return launches_[index_of(opposite(view_.target()))] == 0; };
  if (!changed_.wait_until(lock, deadline.when(), is_clear)) {
    return Error(Code::kTimeout, "launches from before the change of mode are still under way");
  }
  ++launches_[index_of(view_.target())];
  return Launch(*this, view_, drain_.has_value());
}

// Makes the sides that `state` needs and that are not there.
Status ModeControl::provide(ModeState state, bool is_start) {
  const StateRow& row = row_of(state);
  for (const Side side : {row.target, opposite(row.target)}) {
    const bool is_target = side == row.target;
    if (!is_target && !row.is_hand_over) continue;
    {
      const std::lock_guard lock(mutex_);
      std::shared_ptr<Backend>& there = side == Side::kOwn ? view_.own : view_.other;
      if (!there && retired_ && retired_side_ == side) there = std::exchange(retired_, nullptr);
      if (there) continue;
    }
    auto made = side == Side::kOwn ? options_.make_own() : options_.make_other();
    if (!made) {
      if (is_target || !is_start) return made.error();
      log::error({}, "What {} had is out of reach: {}", to_string(side), made.error().message());
      continue;
    }
    const std::lock_guard lock(mutex_);
    (side == Side::kOwn ? view_.own : view_.other) = *std::move(made);
  }
  return {};
}

Status ModeControl::check_target(ModeState state) const {
  const View now = view();
  const Side target = row_of(state).target;
  const auto counted = count_tasks(*now.side(target), "running", Deadline::after(kShortAskTimeout));
  if (counted) return {};
  return Error(Code::kUnavailable, fmt::format("{} cannot take jobs now: {}", to_string(target), counted.error().message()));
}

Status ModeControl::check_finish() const {
  const View now = view();
  const Side old = opposite(now.target());
  const auto left = unfinished_tasks(*now.side(old), 0, Deadline::after(kShortAskTimeout));
  if (!left) {
    return Error(Code::kConflict, fmt::format("{} cannot be asked for its unfinished tasks ({}); finish with \"force\" leaves them behind",
                                              to_string(old), left.error().message()));
  }
  if (left->is_none()) return {};
  return Error(Code::kConflict, fmt::format("{} has {} unfinished tasks and {} undelivered callbacks; finish with \"force\" leaves them behind",
                                            to_string(old), left->tasks, left->callbacks));
}

Result<ModeState> ModeControl::change(ModeEvent event, std::string reason, bool is_forced) {
  const Change change(*this, kChangePatience);
  if (!change) return Error(Code::kBusy, "another change of the mode is under way");
  const ModeState from = view().state;
  const auto to = next_state(from, event);
  if (!to) return Error(Code::kConflict, fmt::format("there is nothing to {} in the state \"{}\"", to_string(event), to_string(from)));
  if (*to == from) return from;
  if (event == ModeEvent::kFinish && !is_forced) {
    if (Status checked = check_finish(); !checked) return checked.error();
  }
  const View before = view();
  const bool begins = row_of(*to).is_hand_over;
  if (begins) {
    Status ready = provide(*to, false);
    if (ready && !is_forced) ready = check_target(*to);
    if (!ready) {
      // What was made for nothing goes again.
      std::shared_ptr<Backend> made;
      {
        const std::lock_guard lock(mutex_);
        made = before.own ? (before.other ? nullptr : view_.other) : view_.own;
        view_.own = before.own;
        view_.other = before.other;
      }
      if (made) made->stop(Deadline::after(kShortAskTimeout));
      return ready.error();
    }
  }
  auto entered = enter(*to, event, reason);
  if (!entered || !begins) return entered;
  {
    const std::lock_guard lock(mutex_);
    if (!options_.policy.is_automatic || launches_[index_of(opposite(row_of(*to).target))] > 0) return entered;
  }
  // Nothing to hand over: then this was all.
  const View now = view();
  const auto left = unfinished_tasks(*now.side(opposite(now.target())), 0, Deadline::after(kShortAskTimeout));
  if (!left || !left->is_none()) return entered;
  return enter(settled(now.target()), ModeEvent::kDrained, reason);
}

Result<ModeState> ModeControl::enter(ModeState state, ModeEvent event, const std::string& reason) {
  const Time now = clock_.now();
  const bool ends = !row_of(state).is_hand_over;
  SavedMode next{state, now, {}, reason, ends, std::nullopt};
  {
    const std::lock_guard lock(mutex_);
    next.setting = options_.setting;
    next.drain = drain_;
  }
  if (Status saved = remember(next); !saved) return saved.error();
  ModeState from;
  {
    const std::lock_guard lock(mutex_);
    from = std::exchange(view_.state, state);
    since_ = now;
    entered_ = clock_.instant();
    next_report_ = entered_ + kReportEvery;
    reason_ = reason;
    follows_hand_over_ = ends;
    silent_since_.reset();
    changed_.notify_all();
  }
  log::info({}, "Mode: {} -> {}: {} ({})", to_string(from), to_string(state), to_string(event), reason);
  return state;
}

Status ModeControl::remember(const SavedMode& mode) const { return file_.save(mode); }

SavedMode ModeControl::as_it_is() const { return {view_.state, since_, options_.setting, reason_, follows_hand_over_, drain_}; }

Result<bool> ModeControl::set_drained(bool is_drained, std::string reason) {
  const Change change(*this, kChangePatience);
  if (!change) return Error(Code::kBusy, "another change of the mode is under way");
  SavedMode mode;
  {
    const std::lock_guard lock(mutex_);
    if (drain_.has_value() == is_drained) return false;
    mode = as_it_is();
  }
  mode.drain = is_drained ? std::optional(Drain{clock_.now(), std::move(reason)}) : std::nullopt;
  if (Status saved = remember(mode); !saved) return saved.error();
  const std::lock_guard lock(mutex_);
  drain_ = std::move(mode.drain);
  return true;
}

bool ModeControl::is_drained() const {
  const std::lock_guard lock(mutex_);
  return drain_.has_value();
}

void ModeControl::set_setting(std::string setting) {
  const Change change(*this, kChangePatience);
  SavedMode mode;
  {
    const std::lock_guard lock(mutex_);
    options_.setting = std::move(setting);
    mode = as_it_is();
  }
  if (Status saved = remember(mode); !saved) log::error({}, "The mode is not remembered: {}", saved.error().message());
}

std::string ModeControl::setting() const {
  const std::lock_guard lock(mutex_);
  return options_.setting;
}

void ModeControl::set_policy(const HandOverPolicy& policy) {
  const std::lock_guard lock(mutex_);
  options_.policy = policy;
  changed_.notify_all();
}

ModeControl::Progress ModeControl::progress() const {
  const std::lock_guard lock(mutex_);
  Progress progress{view_.state, since_, std::nullopt};
  if (!view_.needs_both()) return progress;
  progress.left = left_;
  if (silent_since_) progress.silent_for = clock_.instant() - *silent_since_;
  return progress;
}

void ModeControl::look() {
  const View now = view();
  if (!now.needs_both()) return retire_sides();
  const Side old = opposite(now.target());
  const Instant began = clock_.instant();
  const auto left = unfinished_tasks(*now.side(old), kIdsShown, Deadline::after(kAskTimeout));
  HandOverPolicy policy;
  bool is_drained = false;
  bool is_given_up = false;
  bool is_news = false;
  bool is_due = false;
  {
    const std::lock_guard lock(mutex_);
    policy = options_.policy;
    const Instant ended = clock_.instant();
    last_look_ = ended - began;
    is_due = ended >= next_report_;
    if (is_due) next_report_ = ended + kReportEvery;
    if (left) {
      left_ = *left;
      silent_since_.reset();
      is_drained = left->is_none() && launches_[index_of(old)] == 0;
    } else {
      is_news = !silent_since_;
      if (!silent_since_) silent_since_ = ended;
      if (old == Side::kOther) note_error(left.error());
      is_given_up = policy.give_up > 0s && ended - *silent_since_ >= policy.give_up;
    }
  }
  if (!left && (is_news || is_due)) {
    log::warn({}, "{}: {} cannot be asked for its unfinished tasks: {}", to_string(now.state), to_string(old), left.error().message());
  }
  if (left && is_due) report(*left, now);
  if (!policy.is_automatic || (!is_drained && !is_given_up)) return;
  if (is_given_up) {
    log::error({}, "{}: {} could not be asked for {} s and is given up; tasks that it had are unknown from now on", to_string(now.state),
               to_string(old), policy.give_up.count());
  }
  end_hand_over(now, is_drained ? ModeEvent::kDrained : ModeEvent::kGivenUp);
}

void ModeControl::end_hand_over(const View& seen, ModeEvent event) {
  const Change change(*this, Duration::zero());
  // Somebody changed the mode meanwhile: then what was seen says nothing about the mode of now.
  if (!change || view().state != seen.state) return;
  if (auto entered = enter(settled(seen.target()), event, std::string(to_string(event))); !entered) {
    log::error({}, "The end of the hand-over cannot be remembered: {}", entered.error().message());
  }
}

void ModeControl::note_error(const Error& error) {
  last_error_ = error.message();
  last_error_at_ = clock_.now();
}

void ModeControl::report(const Unfinished& left, const View& now) const {
  Time since;
  {
    const std::lock_guard lock(mutex_);
    since = since_;
  }
  const Side old = opposite(now.target());
  const auto here = unfinished_tasks(*now.side(now.target()), 0, Deadline::after(kShortAskTimeout));
  log::info({}, "{} since {}: {} has {} unfinished tasks and {} undelivered callbacks, {} has {} unfinished tasks{}", to_string(now.state),
            dynflow_time(since), to_string(old), left.tasks, left.callbacks, to_string(now.target()),
            here ? std::to_string(here->tasks) : "an unknown number of",
            left.task_ids.empty() ? "" : fmt::format("; what blocks: {}{}", left.task_ids.front(), left.tasks > 1 ? ", ..." : ""));
}

// After the follow-up the side that is not needed any more goes.
void ModeControl::retire_sides() {
  std::shared_ptr<Backend> ended;
  {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<Backend>& old = view_.target() == Side::kOwn ? view_.other : view_.own;
    if (retired_ && retired_.use_count() == 1) ended = std::exchange(retired_, nullptr);
    if (old && !retired_ && clock_.instant() - entered_ >= options_.policy.follow_up) {
      retired_ = std::exchange(old, nullptr);
      retired_side_ = opposite(view_.target());
    }
  }
  if (!ended) return;
  ended->stop(Deadline::after(kAskTimeout));
  log::info({}, "The side that handed over is not asked any more");
}

Duration ModeControl::pause() const {
  if (row_of(view_.state).is_hand_over) return std::clamp(last_look_ * kLookShare, kLookEvery, kLongestPause);
  const bool has_both = view_.own && view_.other;
  return has_both || retired_ ? kLookEvery : Duration(24h);
}

void ModeControl::work() {
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    const ModeState before = view_.state;
    changed_.wait_for(lock, pause(), [&] { return is_stopping_ || view_.state != before; });
    if (is_stopping_) return;
    lock.unlock();
    look();
    lock.lock();
  }
}

Json ModeControl::side_document(Side which, const std::shared_ptr<Backend>& side) {
  Json document{{"present", side != nullptr}};
  if (!side) return document;
  auto left = unfinished_tasks(*side, kIdsShown, Deadline::after(kShortAskTimeout));
  if (!left) {
    document["error"] = left.error().message();
    const std::lock_guard lock(mutex_);
    if (which == Side::kOther) note_error(left.error());
    return document;
  }
  if (!left->lists_ids && left->tasks > 0) {
    auto ids = still_unfinished(*side, owners_.of(which, kIdsAsked), Deadline::after(kShortAskTimeout));
    if (ids) left->task_ids = *std::move(ids);
    if (left->task_ids.size() > kIdsShown) left->task_ids.resize(kIdsShown);
  }
  document["unfinished_tasks"] = left->tasks;
  document["undelivered_callbacks"] = left->callbacks;
  if (!left->callback_error.empty()) document["callback_error"] = left->callback_error;
  document["task_ids"] = left->task_ids;
  return document;
}

Json ModeControl::document() {
  const View now = view();
  Json sides{{std::string(to_string(Side::kOwn)), side_document(Side::kOwn, now.own)},
             {std::string(to_string(Side::kOther)), side_document(Side::kOther, now.other)}};
  const std::lock_guard lock(mutex_);
  Json document{{"state", std::string(to_string(now.state))},
                {"target", std::string(to_string(now.target()))},
                {"hand_over", now.needs_both()},
                {"since", dynflow_time(since_)},
                {"reason", reason_},
                {"setting", options_.setting},
                {"automatic", options_.policy.is_automatic},
                {"launches_under_way", {{std::string(to_string(Side::kOwn)), launches_[0]}, {std::string(to_string(Side::kOther)), launches_[1]}}},
                {"sides", std::move(sides)},
                {"drained", nullptr},
                {"last_error", nullptr}};
  if (drain_) document["drained"] = Json{{"since", dynflow_time(drain_->since)}, {"reason", drain_->reason}};
  if (now.needs_both()) document["blocked_by"] = std::string(to_string(opposite(now.target())));
  if (!last_error_.empty()) document["last_error"] = Json{{"message", last_error_}, {"at", dynflow_time(last_error_at_)}};
  return document;
}

}  // namespace dynflow::proxy
