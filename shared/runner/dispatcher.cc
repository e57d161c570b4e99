#include "shared/runner/dispatcher.h"

#include <fmt/core.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "shared/base/thread.h"
#include "shared/base/urgency.h"
#include "shared/base/wiped_memory.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "shared/runner/job.h"
#include "shared/runner/turn_queue.h"

namespace dynflow::runner {

// Threads: what is under the mutex belongs to all; jobs to the loop thread.
class Dispatcher::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(engine::World& world, DispatcherOptions options) : world_(world), options_(options) {}

  void start() {
    if (thread_.is_running()) return;
    backlog_.post = [weak = weak_from_this()](std::function<void()> task) {
      if (const auto self = weak.lock()) self->loop_.post(std::move(task));
    };
    thread_ = NamedThread("runners", [this] {
      give_way();
      loop_.run();
    });
  }

  void stop() {
    if (!thread_.is_running()) return;
    loop_.post([this] { drop_all(); });
    loop_.stop();
    thread_.join();
  }

  bool submit(RunnerRequest request) {
    const std::lock_guard lock(mutex_);
    runners_of_plan_.emplace(request.plan_id, request.runner_id);
    // Whoever waits and could start has been given a place when there was one: this one is not before its turn.
    if (has_place(request.group)) {
      give_place(std::move(request));
      return true;
    }
    queue_.push(std::move(request));
    ++waiting_;
    return false;
  }

  void confirm(const std::string& runner_id, const Status& stored) {
    loop_.post([this, runner_id, is_stored = stored.ok()] {
      std::unique_lock lock(mutex_);
      auto placed = placed_.extract(runner_id);
      if (!placed) return;  // cancelled or dropped meanwhile
      if (!is_stored) {
        leave_place(placed.mapped());
        const std::vector<Chosen> chosen = choose();
        lock.unlock();
        return announce(chosen);
      }
      lock.unlock();
      auto job = std::make_unique<Job>(world_, loop_, std::move(placed.mapped()), options_.max_output_bytes, backlog_,
                                       [this](Job& ended) { forget(ended); });
      Job& started = *job;
      jobs_.emplace(runner_id, std::move(job));
      started.start();
    });
  }

  void kill(const std::string& runner_id) {
    loop_.post([this, runner_id] {
      if (auto unstarted = take_unstarted(runner_id)) {
        Job job(world_, loop_, std::move(*unstarted), options_.max_output_bytes, backlog_, [](Job&) {});
        job.refuse("The job was cancelled before it was started");
        return;
      }
      with_runner(runner_id, [](Runner& runner) { runner.kill(); });
    });
  }

  void drop_plan(const std::string& plan_id) {
    loop_.post([this, plan_id] {
      std::vector<std::string> runner_ids;
      {
        const std::lock_guard lock(mutex_);
        const auto [begin, end] = runners_of_plan_.equal_range(plan_id);
        for (auto runner = begin; runner != end; ++runner) runner_ids.push_back(runner->second);
      }
      for (const std::string& id : runner_ids) {
        if (take_unstarted(id)) continue;
        if (const auto found = jobs_.find(id); found != jobs_.end()) found->second->drop();
      }
    });
  }

  void external_event(const std::string& runner_id, Json data) {
    loop_.post([this, runner_id, d = std::make_shared<Json>(std::move(data))] {
      with_runner(runner_id, [&](Runner& runner) { runner.external_event(*d); });
    });
  }

  void refresh(const std::string& runner_id) {
    loop_.post([this, runner_id] {
      with_runner(runner_id, [](Runner& runner) { runner.refresh(); });
    });
  }

  std::size_t running() const {
    const std::lock_guard lock(mutex_);
    return taken_places_;
  }
  std::size_t waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }

 private:
  // -- Under the mutex.

  bool has_place(const std::string& group) const {
    return taken_places_ < options_.max_running && has_group_place(group);
  }

  bool has_group_place(const std::string& group) const {
    if (options_.max_running_per_group == 0) return true;
    const auto found = running_of_group_.find(group);
    return found == running_of_group_.end() || found->second < options_.max_running_per_group;
  }

  void give_place(RunnerRequest request) {
    ++taken_places_;
    ++running_of_group_[request.group];
    std::string id = request.runner_id;
    placed_.emplace(std::move(id), std::move(request));
  }

  void leave_place(const RunnerRequest& request) {
    --taken_places_;
    const auto group = running_of_group_.find(request.group);
    if (group != running_of_group_.end() && --group->second == 0) running_of_group_.erase(group);
    forget_runner(request);
  }

  void forget_runner(const RunnerRequest& request) {
    const auto [begin, end] = runners_of_plan_.equal_range(request.plan_id);
    for (auto runner = begin; runner != end; ++runner) {
      if (runner->second != request.runner_id) continue;
      runners_of_plan_.erase(runner);
      return;
    }
  }

  struct Chosen {
    std::string plan_id;
    int step_id = 0;
    std::string runner_id;
  };

  // Places for those whose turn it is.
  std::vector<Chosen> choose() {
    std::vector<Chosen> chosen;
    while (taken_places_ < options_.max_running) {
      auto next = queue_.pop([this](const std::string& group) { return has_group_place(group); });
      if (!next) break;
      --waiting_;
      chosen.push_back({next->plan_id, next->step_id, next->runner_id});
      give_place(std::move(*next));
    }
    return chosen;
  }

  // -- On the loop thread, without the mutex.

  // They start when the store knows.
  void announce(const std::vector<Chosen>& chosen) {
    for (const Chosen& one : chosen) {
      world_.note_output(one.plan_id, one.step_id, {{kRunnerWaits, nullptr}, {kRunnerSecrets, nullptr}},
                         [weak = weak_from_this(), id = one.runner_id](const Status& stored) {
                           if (const auto self = weak.lock()) self->confirm(id, stored);
                         });
    }
  }

  // One that waits, for a place or for the store.
  std::optional<RunnerRequest> take_unstarted(const std::string& runner_id) {
    std::unique_lock lock(mutex_);
    if (auto waiting = queue_.take(runner_id)) {
      --waiting_;
      forget_runner(*waiting);
      return waiting;
    }
    auto placed = placed_.extract(runner_id);
    if (!placed) return std::nullopt;
    leave_place(placed.mapped());
    const std::vector<Chosen> chosen = choose();
    lock.unlock();
    announce(chosen);
    return std::move(placed.mapped());
  }

  // The job is destroyed from the loop, not under the runner that just ended.
  void forget(Job& ended) {
    loop_.post([this, id = ended.request().runner_id] {
      const auto found = jobs_.find(id);
      if (found == jobs_.end()) return;
      std::vector<Chosen> chosen;
      {
        const std::lock_guard lock(mutex_);
        leave_place(found->second->request());
        chosen = choose();
      }
      jobs_.erase(found);
      wipe_unused_stack();  // it may have had passwords in hand
      announce(chosen);
    });
  }

  template <class F>
  void with_runner(const std::string& runner_id, F use) {
    const auto found = jobs_.find(runner_id);
    if (found != jobs_.end()) found->second->with_runner(use);
  }

  void drop_all() {
    const auto at_work =
        std::count_if(jobs_.begin(), jobs_.end(), [](const auto& job) { return !job.second->is_finished(); });
    if (at_work > 0) log::warn({}, "{} runners were still at work", at_work);
    jobs_.clear();
  }

  engine::World& world_;
  const DispatcherOptions options_;
  net::EventLoop loop_;
  OutputBacklog backlog_;
  std::unordered_map<std::string, std::unique_ptr<Job>> jobs_;

  mutable std::mutex mutex_;
  TurnQueue queue_;
  std::unordered_map<std::string, RunnerRequest> placed_;  // wait for it to be durable that they have their place
  std::unordered_multimap<std::string, std::string> runners_of_plan_;  // all
  std::unordered_map<std::string, std::size_t> running_of_group_;
  std::size_t taken_places_ = 0;  // of jobs and placed ones
  std::size_t waiting_ = 0;
  NamedThread thread_;
};

Dispatcher::Dispatcher(engine::World& world, DispatcherOptions options)
    : impl_(std::make_shared<Impl>(world, options)) {}
Dispatcher::~Dispatcher() { impl_->stop(); }
void Dispatcher::start() { impl_->start(); }
void Dispatcher::stop() { impl_->stop(); }
bool Dispatcher::submit(RunnerRequest request) { return impl_->submit(std::move(request)); }
void Dispatcher::confirm(const std::string& runner_id, const Status& stored) { impl_->confirm(runner_id, stored); }
void Dispatcher::kill(const std::string& runner_id) { impl_->kill(runner_id); }
void Dispatcher::drop_plan(const std::string& plan_id) { impl_->drop_plan(plan_id); }
void Dispatcher::external_event(const std::string& runner_id, Json data) {
  impl_->external_event(runner_id, std::move(data));
}
void Dispatcher::refresh(const std::string& runner_id) { impl_->refresh(runner_id); }
std::size_t Dispatcher::running() const { return impl_->running(); }
std::size_t Dispatcher::waiting() const { return impl_->waiting(); }

void DropObserver::set_dispatcher(Dispatcher* dispatcher) {
  const std::lock_guard lock(mutex_);
  dispatcher_ = dispatcher;
}

void DropObserver::plan_dropped(const std::string& plan_id) {
  const std::lock_guard lock(mutex_);  // drop_plan() only leaves a message
  if (dispatcher_) dispatcher_->drop_plan(plan_id);
}

}  // namespace dynflow::runner
