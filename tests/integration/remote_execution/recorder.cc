#include "tests/integration/remote_execution/recorder.h"

#include <catch2/catch.hpp>

namespace dynflow::remote_execution_test {
namespace {

class Recorder final : public runner::Publisher {
 public:
  Recorder(net::EventLoop& loop, const Watcher& watcher, std::function<void()> done)
      : loop_(loop), watcher_(watcher), done_(std::move(done)) {}

  void publish(std::string_view output_type, std::string_view bytes) override {
    if (outcome.finishes > 0 || bytes.empty()) return;
    (output_type == "debug" ? outcome.debug : outcome.out) += bytes;
    ++outcome.chunks;
    if (watcher_) {
      Running running{*runner, loop_, outcome};
      watcher_(running);
    }
  }
  void finish(runner::ExitStatus status) override {
    outcome.status = status.to_json();
    if (outcome.finishes++ > 0) return;
    loop_.post([this] {
      runner.reset();
      done_();
    });
  }
  const std::string& task_id() const override { return task_id_; }

  Outcome outcome;
  std::unique_ptr<runner::Runner> runner;

 private:
  net::EventLoop& loop_;
  const Watcher& watcher_;
  std::function<void()> done_;
  const std::string task_id_ = "test";
};

}  // namespace

std::vector<Outcome> run_jobs(std::vector<remote_execution::ScriptJob> jobs, const Watcher& watcher,
                              std::chrono::seconds limit,
                              const std::function<void(runner::Runner&, std::size_t index)>& after_start) {
  remote_execution::Background background(4);
  remote_execution::KeyStore keys;
  remote_execution::ConnectGate gate(16);
  net::EventLoop loop;
  std::size_t left = jobs.size();
  std::vector<std::unique_ptr<Recorder>> recorders;
  for (auto& job : jobs) {
    auto recorder = std::make_unique<Recorder>(loop, watcher, [&] {
      if (--left == 0) loop.stop();
    });
    recorder->runner = make_script_runner(*recorder, loop, {background, keys, gate}, std::move(job));
    recorders.push_back(std::move(recorder));
  }
  bool is_late = false;
  loop.run_after(limit, [&] {
    is_late = true;
    loop.stop();
  });
  loop.post([&] {
    for (std::size_t i = 0; i < recorders.size(); ++i) {
      recorders[i]->runner->start();
      if (after_start) after_start(*recorders[i]->runner, i);
    }
  });
  loop.run();
  std::vector<Outcome> outcomes;
  for (const auto& recorder : recorders) outcomes.push_back(recorder->outcome);
  recorders.clear();
  background.stop();
  REQUIRE_FALSE(is_late);
  return outcomes;
}

Outcome run_job(remote_execution::ScriptJob job, const Watcher& watcher) {
  std::vector<remote_execution::ScriptJob> jobs;
  jobs.push_back(std::move(job));
  return run_jobs(std::move(jobs), watcher).front();
}

}  // namespace dynflow::remote_execution_test
