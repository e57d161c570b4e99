// The proxy's mode at run time: which sides are there, where launches go, hand-overs from their begin to their end.
//
// The state is remembered in a file before it counts, so that a restart in the middle of a hand-over goes on with it.
//
// Threads: start() and stop() from the main thread; the rest from any thread. One thread of its own looks after hand-overs.
// One change at a time: a second one meanwhile is refused with kBusy.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/dynflow/backend.h"
#include "proxy/dynflow/mode_file.h"
#include "proxy/dynflow/mode_states.h"
#include "proxy/dynflow/side_questions.h"
#include "proxy/dynflow/task_owners.h"
#include "shared/base/clock.h"
#include "shared/base/thread.h"
#include "shared/json/json_fwd.h"

namespace dynflow::proxy {

// What may change while the program runs.
struct HandOverPolicy {
  bool is_automatic = true;                 // a hand-over ends by itself
  std::chrono::seconds give_up{600};        // the old side could not be asked for so long: it is given up; 0: never
  std::chrono::seconds follow_up{1800};     // so long after a hand-over the old side is still asked about tasks
};

class ModeControl {
 public:
  // Makes a side and starts it. Errors: what keeps it from working, one line.
  using MakeSide = std::function<Result<std::shared_ptr<Backend>>()>;
  struct Options {
    MakeSide make_own;
    MakeSide make_other;
    std::filesystem::path file;  // where the state is remembered; empty: nowhere
    std::string setting;         // `external_core` as the settings have it: see SavedMode
    HandOverPolicy policy;
    const Clock* clock = &system_clock();
    bool looks_by_itself = true;  // false: whoever tests it calls look()
  };

  // What a request needs to know, at one moment.
  struct View {
    ModeState state = ModeState::kInProcess;
    std::shared_ptr<Backend> own;    // owners: the control and the requests under way; null: not there
    std::shared_ptr<Backend> other;  // the same
    const std::shared_ptr<Backend>& side(Side which) const { return which == Side::kOwn ? own : other; }
    Side target() const { return row_of(state).target; }
    // Both sides must be asked about tasks; otherwise the one that is not the target is asked as far as it answers.
    bool needs_both() const { return row_of(state).is_hand_over; }
  };

  explicit ModeControl(Options options);
  ~ModeControl();

  // Enters `state` with the sides that it needs. `saved`: what was remembered of that state, nothing for a new one. `drain`: as it
  // was remembered, whatever became of the state. Errors: those of the target's MakeSide. An old side that cannot be made is
  // done without, with an error in the log, and tried again at the next start.
  Status start(ModeState state, std::optional<SavedMode> saved, std::string reason, std::optional<Drain> drain = std::nullopt);
  void stop(Deadline deadline);

  View view() const;
  // Which side has a task, as far as it is known.
  TaskOwners& owners() { return owners_; }

  // Held while a launch is under way, so that no task is launched on one side while the other may still start it.
  class Launch {
   public:
    Launch(ModeControl& control, View view, bool is_drained) : control_(&control), view_(std::move(view)), is_drained_(is_drained) {}
    Launch(Launch&& other) noexcept
        : control_(std::exchange(other.control_, nullptr)), view_(std::move(other.view_)), is_drained_(other.is_drained_) {}
    Launch& operator=(Launch&&) = delete;
    ~Launch();
    // As it was when the launch began; its target is the launch's.
    const View& view() const { return view_; }
    // Nothing new may be started.
    bool is_drained() const { return is_drained_; }

   private:
    ModeControl* control_;
    View view_;
    bool is_drained_;
  };
  // Waits until no launch is under way on the side that was the target before. kTimeout.
  Result<Launch> begin_launch(Deadline deadline);

  // What somebody asks for. `is_forced`: a begin does not need the new target to answer, a finish leaves unfinished tasks
  // behind. The new state. Errors: kConflict (not in this state; unfinished tasks), kBusy (a change is under way), kUnavailable (the new target
  // does not answer, the state cannot be remembered), and those of MakeSide.
  Result<ModeState> change(ModeEvent event, std::string reason, bool is_forced = false);
  // Refuses launches from now on, or takes them again; whether that was not so already. Those under way when it returns go on, and
  // count as under way in document(). Survives restarts. Errors: kBusy, kUnavailable (it cannot be remembered).
  Result<bool> set_drained(bool is_drained, std::string reason);
  bool is_drained() const;
  // `external_core` in the settings is another one now: it is remembered with the state.
  void set_setting(std::string setting);
  std::string setting() const;
  void set_policy(const HandOverPolicy& policy);

  // State, target, unfinished tasks on each side with their ids (some), since when, the last errors. Asks the sides.
  Json document();

  // What is known without asking anybody.
  struct Progress {
    ModeState state = ModeState::kInProcess;
    Time since{};
    std::optional<Unfinished> left;         // on the side that hands over, when it was asked last; nothing outside of hand-overs
    std::optional<Duration> silent_for{};   // it could not be asked for so long
  };
  Progress progress() const;

  // One look at a hand-over: ends it when it is over. What the thread does again and again.
  void look();

 private:
  class Change;

  Result<ModeState> enter(ModeState state, ModeEvent event, const std::string& reason);
  Status provide(ModeState state, bool is_start);
  Status check_target(ModeState state) const;
  Status check_finish() const;
  Status remember(const SavedMode& mode) const;
  SavedMode as_it_is() const;  // with mutex_ held
  void retire_sides();
  void end_hand_over(const View& seen, ModeEvent event);
  void report(const Unfinished& left, const View& now) const;
  void note_error(const Error& error);  // with mutex_ held
  Json side_document(Side which, const std::shared_ptr<Backend>& side);
  void work();
  Duration pause() const;

  Options options_;
  const Clock& clock_;
  const ModeFile file_;
  TaskOwners owners_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  View view_;
  Time since_{};
  Instant entered_{};
  std::string reason_;
  bool is_changing_ = false;
  bool is_stopping_ = false;
  std::size_t launches_[2] = {0, 0};  // under way, by side
  std::optional<Instant> silent_since_;  // the old side could not be asked from then on
  std::optional<Unfinished> left_;       // on the old side of a hand-over, at the last look
  std::string last_error_;               // of the other side; empty: none
  Time last_error_at_{};
  Instant next_report_{};
  Duration last_look_{};                 // how long the last look took
  bool follows_hand_over_ = false;       // the state was entered at the end of a hand-over
  std::optional<Drain> drain_;
  std::shared_ptr<Backend> retired_;     // to be stopped when no request uses it any more
  Side retired_side_ = Side::kOwn;
  NamedThread thread_;
};

}  // namespace dynflow::proxy
