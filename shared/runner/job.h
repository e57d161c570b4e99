// A runner at work: its output on the way to the store, its timers, its end. Inner part of the dispatcher.
//
// Threads: the loop thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "shared/engine/world.h"
#include "shared/net/event_loop.h"
#include "shared/persistence/records.h"
#include "shared/runner/output_backlog.h"
#include "shared/runner/output_decoder.h"
#include "shared/runner/runner.h"

namespace dynflow::runner {

class Job final : public Publisher {
 public:
  // `on_end` is called once, from within finish(); it must not destroy the job at once.
  Job(engine::World& world, net::EventLoop& loop, RunnerRequest request, std::size_t max_output_bytes, OutputBacklog& backlog,
      std::function<void(Job&)> on_end);
  ~Job() override;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // Makes and starts the runner. What its construction or start throws ends the job as upstream words it.
  void start();
  // Ends the job without a runner.
  void refuse(std::string_view text);
  // Calls `use` with the runner while there is one; what it throws ends the job.
  void with_runner(const std::function<void(Runner&)>& use);
  // The plan is nobody's here any more: ends the work outside, and says nothing to the world from now on.
  void drop();
  const RunnerRequest& request() const { return request_; }
  bool is_finished() const { return is_finished_; }

  void publish(std::string_view output_type, std::string_view bytes) override;
  void finish(ExitStatus status) override;
  const std::string& task_id() const override { return request_.plan_id; }

 private:
  void append(std::string_view output_type, std::string text);
  void flush(bool is_last);
  void schedule_flush();
  // So much was given to the store: asks to be told when it is written.
  void follow(std::size_t bytes);
  void written(std::size_t bytes);
  bool is_behind() const;

  engine::World& world_;
  net::EventLoop& loop_;
  const RunnerRequest request_;
  const std::size_t max_output_bytes_;
  OutputBacklog& backlog_;  // outlives all jobs
  const std::function<void(Job&)> on_end_;

  std::unordered_map<std::string, OutputDecoder> decoders_;  // by output type
  std::vector<persistence::OutputChunk> pending_;            // output not yet given to the store
  std::size_t pending_bytes_ = 0;
  std::size_t published_bytes_ = 0;
  std::size_t unfollowed_bytes_ = 0;  // given to the store since follow()
  std::size_t unwritten_bytes_ = 0;   // followed; part of the backlog
  bool is_held_ = false;    // the runner was told so
  bool is_capped_ = false;  // the cap was reached and said so
  bool is_dropped_ = false;
  bool is_finished_ = false;
  std::optional<Instant> last_flush_;
  net::EventLoop::TimerId flush_timer_ = 0;    // 0 = not set
  net::EventLoop::TimerId timeout_timer_ = 0;  // 0 = not set
  const std::shared_ptr<Job*> self_ = std::make_shared<Job*>(this);  // what waits for the store asks whether the job is still there
  std::unique_ptr<Runner> runner_;             // last: destroyed first, may still publish
};

}  // namespace dynflow::runner
