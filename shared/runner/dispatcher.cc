#include "shared/runner/dispatcher.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "shared/base/thread.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "shared/runner/job.h"
#include "shared/runner/turn_queue.h"

namespace dynflow::runner {

// Everything but the counters is used on the loop thread only.
class Dispatcher::Impl {
 public:
  Impl(engine::World& world, DispatcherOptions options) : world_(world), options_(options) {}

  void start() {
    if (!thread_.is_running()) thread_ = NamedThread("runners", [this] { loop_.run(); });
  }

  void stop() {
    if (!thread_.is_running()) return;
    loop_.post([this] { drop_all(); });
    loop_.stop();
    thread_.join();
  }

  void submit(RunnerRequest request) {
    waiting_count_.fetch_add(1, std::memory_order_relaxed);
    loop_.post([this, r = std::make_shared<RunnerRequest>(std::move(request))] {
      runners_of_plan_.emplace(r->plan_id, r->runner_id);
      queue_.push(std::move(*r));
      start_waiting();
    });
  }

  void kill(const std::string& runner_id) {
    loop_.post([this, runner_id] {
      if (auto waiting = queue_.take(runner_id)) {
        waiting_count_.fetch_sub(1, std::memory_order_relaxed);
        forget_runner(*waiting);
        Job job(world_, loop_, std::move(*waiting), options_.max_output_bytes, [](Job&) {});
        job.refuse("The job was cancelled before it was started");
        return;
      }
      with_runner(runner_id, [](Runner& runner) { runner.kill(); });
    });
  }

  void drop_plan(const std::string& plan_id) {
    loop_.post([this, plan_id] {
      std::vector<std::string> runner_ids;
      const auto [begin, end] = runners_of_plan_.equal_range(plan_id);
      for (auto runner = begin; runner != end; ++runner) runner_ids.push_back(runner->second);
      for (const std::string& id : runner_ids) {
        if (const auto waiting = queue_.take(id)) {
          waiting_count_.fetch_sub(1, std::memory_order_relaxed);
          forget_runner(*waiting);
        } else if (const auto found = jobs_.find(id); found != jobs_.end()) {
          found->second->drop();
        }
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

  std::size_t running() const { return running_count_.load(std::memory_order_relaxed); }
  std::size_t waiting() const { return waiting_count_.load(std::memory_order_relaxed); }

 private:
  void start_waiting() {
    while (jobs_.size() < options_.max_running) {
      auto next = queue_.pop([this](const std::string& group) {
        if (options_.max_running_per_group == 0) return true;
        const auto found = running_of_group_.find(group);
        return found == running_of_group_.end() || found->second < options_.max_running_per_group;
      });
      if (!next) return;
      waiting_count_.fetch_sub(1, std::memory_order_relaxed);
      running_count_.fetch_add(1, std::memory_order_relaxed);
      ++running_of_group_[next->group];
      const std::string id = next->runner_id;
      auto job = std::make_unique<Job>(world_, loop_, std::move(*next), options_.max_output_bytes,
                                       [this](Job& ended) { forget(ended); });
      Job& started = *job;
      jobs_.emplace(id, std::move(job));
      started.start();
    }
  }

  // The job is destroyed from the loop, not under the runner that just ended.
  void forget(Job& ended) {
    loop_.post([this, id = ended.request().runner_id] {
      const auto found = jobs_.find(id);
      if (found == jobs_.end()) return;
      const auto group = running_of_group_.find(found->second->request().group);
      forget_runner(found->second->request());
      if (group != running_of_group_.end() && --group->second == 0) running_of_group_.erase(group);
      jobs_.erase(found);
      running_count_.fetch_sub(1, std::memory_order_relaxed);
      start_waiting();
    });
  }

  void forget_runner(const RunnerRequest& request) {
    const auto [begin, end] = runners_of_plan_.equal_range(request.plan_id);
    for (auto runner = begin; runner != end; ++runner) {
      if (runner->second != request.runner_id) continue;
      runners_of_plan_.erase(runner);
      return;
    }
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
  TurnQueue queue_;
  std::unordered_map<std::string, std::unique_ptr<Job>> jobs_;
  std::unordered_multimap<std::string, std::string> runners_of_plan_;  // waiting and running ones
  std::unordered_map<std::string, std::size_t> running_of_group_;
  std::atomic<std::size_t> running_count_{0};
  std::atomic<std::size_t> waiting_count_{0};
  NamedThread thread_;
};

Dispatcher::Dispatcher(engine::World& world, DispatcherOptions options)
    : impl_(std::make_unique<Impl>(world, options)) {}
Dispatcher::~Dispatcher() { impl_->stop(); }
void Dispatcher::start() { impl_->start(); }
void Dispatcher::stop() { impl_->stop(); }
void Dispatcher::submit(RunnerRequest request) { impl_->submit(std::move(request)); }
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
