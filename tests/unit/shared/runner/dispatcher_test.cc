#include "shared/runner/dispatcher.h"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "shared/base/temporary_folder.h"
#include "shared/engine/secret_keeper.h"
#include "shared/engine/status_document.h"
#include "shared/engine/testing/seeded_scheduler.h"
#include "shared/engine/world.h"
#include "shared/json/json.h"
#include "shared/persistence/sqlite/sqlite_store.h"
#include "shared/runner/process_runner.h"
#include "shared/runner/runner_action.h"

using namespace dynflow;
using namespace std::chrono_literals;

namespace {

class ShellAction final : public runner::RunnerAction {
 public:
  using RunnerAction::RunnerAction;

 protected:
  runner::RunnerRequest prepare(engine::Running& running) override {
    const std::string script = json::get_string(running.input(), "script");
    if (script.empty()) throw engine::ActionError("KeyError", "key not found: \"script\"");
    runner::RunnerRequest request;
    if (const auto ms = json::get_int(running.input(), "timeout_ms", 0); ms > 0) {
      request.timeout = std::chrono::milliseconds(ms);
    }
    process::SpawnOptions spawn;
    spawn.argv = {"/bin/sh", "-c", script};
    spawn.environment = process::clean_environment();
    request.make = [spawn](runner::Publisher& publisher, net::EventLoop& loop) {
      return runner::make_process_runner(publisher, loop, spawn);
    };
    return request;
  }
};

// Lets a test wait for the end of plans.
class EndWatcher final : public engine::PlanObserver {
 public:
  void plan_changed(const persistence::PlanRecord& plan, persistence::WriteBatch&) override {
    std::lock_guard lock(mutex_);
    states_[plan.id] = plan.state;
    if (plan.state == persistence::PlanState::kStopped) order_.push_back(plan.id);
    changed_.notify_all();
  }
  void wait_for(const std::string& plan_id) {
    std::unique_lock lock(mutex_);
    const bool ended = changed_.wait_for(lock, 60s, [&] {
      return states_[plan_id] == persistence::PlanState::kStopped || states_[plan_id] == persistence::PlanState::kPaused;
    });
    if (!ended) throw std::runtime_error("plan " + plan_id + " did not end");
  }
  std::vector<std::string> order() {
    std::lock_guard lock(mutex_);
    return order_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, persistence::PlanState> states_;
  std::vector<std::string> order_;
};

class Site {
 public:
  // `database`: a file; empty = memory. `scheduler`: null = two threads.
  explicit Site(runner::DispatcherOptions options = {}, std::string database = {}, const engine::SecretKeeper* secrets = nullptr,
                std::unique_ptr<engine::Scheduler> scheduler = nullptr) {
    persistence::StoreOptions store_options;
    store_options.database = std::move(database);
    auto opened = persistence::open_sqlite_store(store_options);
    REQUIRE(opened.ok());
    store_ = std::move(*opened);
    REQUIRE(store_->start().ok());
    scheduler_ = scheduler ? std::move(scheduler) : engine::make_thread_scheduler(2);
    engine::WorldOptions world;
    world.store = store_.get();
    world.registry = &registry_;
    world.scheduler = scheduler_.get();
    world.secrets = secrets;
    world.observers = {&ends_, &drops_};
    world_ = std::make_unique<engine::World>(std::move(world));
    dispatcher_ = std::make_unique<runner::Dispatcher>(*world_, options);
    drops_.set_dispatcher(dispatcher_.get());
    engine::ActionClass shell;
    shell.name = "Shell";
    shell.has_run = shell.has_finalize = shell.takes_events = shell.is_cancellable = shell.acts_when_stored = true;
    shell.make = [this] { return std::make_unique<ShellAction>(*dispatcher_); };
    REQUIRE(registry_.add(std::move(shell)).ok());
    dispatcher_->start();
    REQUIRE(world_->start().ok());
  }
  ~Site() {
    world_->stop(Deadline::after(5s));
    dispatcher_->stop();
    drops_.set_dispatcher(nullptr);
    world_->stop(Deadline::after(5s));
    world_->leave();
    scheduler_->stop();
    store_->stop();
  }

  std::string launch(Json input, std::string caller = {}, Json secrets = nullptr) {
    engine::PlanRequest request;
    request.action_class = "Shell";
    request.args = std::move(input);
    request.secrets = std::move(secrets);
    request.caller_plan_id = std::move(caller);
    request.caller_action_id = request.caller_plan_id.empty() ? 0 : 1;
    std::vector<engine::PlanRequest> requests;
    requests.push_back(std::move(request));
    auto planned = world_->trigger(std::move(requests));
    REQUIRE(planned.ok());
    REQUIRE_FALSE(planned->front().error);
    return planned->front().plan_id;
  }

  Json output_of(const std::string& plan_id) {
    ends_.wait_for(plan_id);
    // The watcher hears of the end while it is being carried out, and is shown when it is durable.
    const auto has_ended = [&] {
      const auto state = world_->find_plan(plan_id)->state;
      return state == persistence::PlanState::kStopped || state == persistence::PlanState::kPaused;
    };
    while (!has_ended()) std::this_thread::yield();
    auto text = engine::output_document(*world_, plan_id, 1);
    REQUIRE(text.ok());
    auto parsed = json::parse(*text);
    REQUIRE(parsed.ok());
    return *parsed;
  }

  // Plans that were launched one after another may reach the dispatcher in another order.
  void wait_for_runners(std::size_t running, std::size_t waiting) {
    const Deadline deadline = Deadline::after(60s);
    while (dispatcher_->running() != running || dispatcher_->waiting() != waiting) {
      if (deadline.has_passed()) throw std::runtime_error("the runners do not get there");
      std::this_thread::yield();
    }
  }

  engine::World& world() { return *world_; }
  EndWatcher& ends() { return ends_; }

 private:
  engine::ActionRegistry registry_;
  EndWatcher ends_;
  runner::DropObserver drops_;
  std::unique_ptr<persistence::Store> store_;
  std::unique_ptr<engine::Scheduler> scheduler_;
  std::unique_ptr<engine::World> world_;
  std::unique_ptr<runner::Dispatcher> dispatcher_;
};

struct Keeper final : engine::SecretKeeper {
  Result<std::string> seal(const std::string&, const Json&) const override { return std::string("sealed"); }
  Result<Json> open(const std::string&, std::string_view) const override { return Error(Code::kInvalid, "the key is another"); }
};

std::string text_of(const Json& output, std::string_view type) {
  std::string text;
  for (const Json& chunk : output.at("result")) {
    if (json::get_string(chunk, "output_type") == type) text += json::get_string(chunk, "output");
  }
  return text;
}

}  // namespace

TEST_CASE("output and exit status of a runner end in the action's output") {
  Site site;
  const std::string id = site.launch({{"script", "echo out; echo err >&2; exit 3"}});
  const Json output = site.output_of(id);
  CHECK(text_of(output, "stdout") == "out\n");
  CHECK(text_of(output, "stderr") == "err\n");
  CHECK(output.at("exit_status") == 3);
  CHECK(output.at("exit_status_timestamp").is_number_float());
  CHECK(output.contains("runner_id"));
  auto plan = site.world().find_plan(id);
  REQUIRE(plan.ok());
  CHECK(plan->state == persistence::PlanState::kStopped);
  CHECK(plan->result == persistence::PlanResult::kError);
}

TEST_CASE("timestamps of chunks grow strictly and every byte arrives in order") {
  Site site;
  const Json output = site.output_of(site.launch({{"script", "seq 1 100000"}}));
  double last = 0;
  std::string text;
  for (const Json& chunk : output.at("result")) {
    CHECK(chunk.at("timestamp").get<double>() > last);
    last = chunk.at("timestamp").get<double>();
    text += json::get_string(chunk, "output");
  }
  std::string expected;
  for (int i = 1; i <= 100000; ++i) expected += std::to_string(i) + "\n";
  CHECK(text == expected);
}

TEST_CASE("what cannot be prepared or started is reported in upstream's words") {
  Site site;
  const Json unprepared = site.output_of(site.launch(Json::object()));
  CHECK(text_of(unprepared, "debug") == "Proxy error: KeyError - key not found: \"script\"");
  CHECK(unprepared.at("exit_status") == "EXCEPTION");
}

TEST_CASE("a cancelled runner ends by its signal") {
  Site site;
  const std::string id = site.launch({{"script", "echo started; exec sleep 300"}});
  // Whenever the cancel comes, before the runner was made or after: it ends.
  auto sent = site.world().cancel(id);
  REQUIRE(sent.ok());
  CHECK(*sent == 1);
  const Json output = site.output_of(id);
  CHECK((output.at("exit_status") == 143 || output.at("exit_status") == "EXCEPTION"));
}

TEST_CASE("the execution timeout says so and ends the runner") {
  Site site;
  const Json output = site.output_of(site.launch({{"script", "exec sleep 300"}, {"timeout_ms", 50}}));
  CHECK(text_of(output, "debug") == "Timeout for execution passed, trying to stop the job");
  CHECK(output.at("exit_status") == 143);
}

TEST_CASE("no more runners than allowed run at once, and jobs take turns") {
  runner::DispatcherOptions options;
  options.max_running = 1;
  Site site(options);
  // The gate keeps the only place until everything is queued.
  const std::string gate = site.launch({{"script", "exec sleep 300"}}, "gate");
  site.wait_for_runners(1, 0);
  std::vector<std::string> big;
  for (int i = 0; i < 5; ++i) big.push_back(site.launch({{"script", "true"}}, "big"));
  const std::string small = site.launch({{"script", "true"}}, "small");
  site.wait_for_runners(1, 6);
  REQUIRE(site.world().cancel(gate).ok());
  for (const std::string& id : big) CHECK(site.output_of(id).at("exit_status") == 0);
  CHECK(site.output_of(small).at("exit_status") == 0);
  const std::vector<std::string> order = site.ends().order();
  const auto place = std::find(order.begin(), order.end(), small) - order.begin();
  CHECK(place <= 3);  // behind the gate and at most two of the big job: the first turn, and one that ended at the same time
}

TEST_CASE("a waiting runner that is cancelled never starts") {
  runner::DispatcherOptions options;
  options.max_running = 1;
  Site site(options);
  const std::string gate = site.launch({{"script", "exec sleep 300"}});
  site.wait_for_runners(1, 0);
  const std::string waiting = site.launch({{"script", "echo ran"}});
  site.wait_for_runners(1, 1);
  REQUIRE(site.world().cancel(waiting).ok());
  const Json output = site.output_of(waiting);
  CHECK(text_of(output, "debug") == "The job was cancelled before it was started");
  CHECK(output.at("exit_status") == "EXCEPTION");
  CHECK(text_of(output, "stdout").empty());
  REQUIRE(site.world().cancel(gate).ok());
  site.output_of(gate);
}

TEST_CASE("runners of a halted plan are ended, waiting and running ones, and say nothing more") {
  Site site({.max_running = 1});
  const std::string running = site.launch({{"script", "echo begun; exec sleep 1000"}});
  site.wait_for_runners(1, 0);
  const std::string waiting = site.launch({{"script", "echo never"}});
  site.wait_for_runners(1, 1);
  REQUIRE(site.world().halt(waiting).ok());
  site.wait_for_runners(1, 0);
  REQUIRE(site.world().halt(running).ok());
  site.wait_for_runners(0, 0);
  for (const std::string& id : {running, waiting}) {
    const auto plan = site.world().find_plan(id);
    REQUIRE(plan.ok());
    CHECK(plan->state == persistence::PlanState::kStopped);
    CHECK(plan->steps[1].state == persistence::StepState::kSuspended);
    CHECK_FALSE(site.output_of(id).contains("exit_status"));
  }
}

TEST_CASE("output past the cap is left out with a visible mark") {
  runner::DispatcherOptions options;
  options.max_output_bytes = 1000;
  Site site(options);
  const Json output = site.output_of(site.launch({{"script", "yes | head -c 1000000"}}));
  CHECK(text_of(output, "stdout").size() <= 1000);
  CHECK(text_of(output, "debug") == "The output is longer than 1000 bytes; the rest is not kept\n");
  CHECK(output.at("exit_status") == 0);
}

TEST_CASE("runners that waited at a kill -9 are run by the next process, those that had started are not run again") {
  const TemporaryFolder place = TemporaryFolder::make("runners").value();
  const std::string folder = place.path().string();
  const std::string database = folder + "/db.sqlite";
  const std::string log = folder + "/log";
  const auto note = [&](const std::string& word) { return "echo " + word + " >>" + log; };
  runner::DispatcherOptions options;
  options.max_running = 1;
  int ready[2];
  REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    try {
      Site site(options, database);
      std::string ids = site.launch({{"script", note("started") + "; while [ ! -e " + folder + "/go ]; do sleep 0.05; done"}});
      const Deadline deadline = Deadline::after(60s);
      while (!std::ifstream(log).good() && !deadline.has_passed()) std::this_thread::yield();
      ids += ' ' + site.launch({{"script", note("waited")}});
      site.wait_for_runners(1, 1);
      ids += ' ' + site.launch({{"script", note("never")}}, {}, {{"ssh_password", "x"}});
      site.wait_for_runners(1, 2);
      if (!site.world().wait_until_idle(Deadline::after(60s))) ::_exit(1);
      ids += '\n';
      if (::write(ready[1], ids.data(), ids.size()) != static_cast<ssize_t>(ids.size())) ::_exit(1);
      for (;;) ::pause();
    } catch (...) {
    }
    ::_exit(1);
  }
  ::close(ready[1]);
  std::string text;
  for (char c = 0; ::read(ready[0], &c, 1) == 1 && c != '\n';) text += c;
  ::close(ready[0]);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  std::istringstream words(text);
  std::string started;
  std::string waiting;
  std::string secret;
  REQUIRE(words >> started >> waiting >> secret);
  {
    Site site(options, database);
    const Json lost = site.output_of(started);
    CHECK(lost.at("exit_status") == "EXCEPTION");
    CHECK_THAT(text_of(lost, "debug"), Catch::Contains("restarted while the job ran"));
    const Json ran = site.output_of(waiting);
    CHECK(ran.at("exit_status") == 0);
    CHECK_FALSE(ran.contains("runner_waits"));
    const Json without_secrets = site.output_of(secret);
    CHECK(without_secrets.at("exit_status") == "EXCEPTION");
    CHECK_THAT(text_of(without_secrets, "debug"), Catch::Contains("before the job began"));
    CHECK_FALSE(without_secrets.contains("runner_secrets"));
  }
  std::ofstream(folder + "/go").put('\n');
  std::ifstream lines(log);
  const std::string all((std::istreambuf_iterator<char>(lines)), {});
  CHECK(all == "started\nwaited\n");
}

TEST_CASE("a job that had not run when its process ended says why its passwords cannot be read") {
  const TemporaryFolder folder = TemporaryFolder::make("runners").value();
  const std::string database = (folder.path() / "db.sqlite").string();
  const Keeper keeper;
  VirtualClock clock;
  std::string id;
  {
    Site ended({}, database, &keeper, std::make_unique<engine::SeededScheduler>(1, clock));
    id = ended.launch({{"script", "true"}}, {}, {{"ssh_password", "x"}});
    REQUIRE(ended.world().active_plans() == 1);
  }
  Site site({}, database, &keeper);
  const Json output = site.output_of(id);
  CHECK(output.at("exit_status") == "EXCEPTION");
  CHECK_THAT(text_of(output, "debug"), Catch::Contains("its passwords cannot be read: the key is another"));
}

TEST_CASE("a runner whose turn has come starts when the store knows, and is cancelled like any other before") {
  runner::DispatcherOptions options;
  options.max_running = 1;
  Site site(options);
  const std::string first = site.launch({{"script", "sleep 60"}});
  site.wait_for_runners(1, 0);
  std::vector<std::string> others;
  for (int i = 0; i < 20; ++i) others.push_back(site.launch({{"script", "echo " + std::to_string(i)}}));
  site.wait_for_runners(1, 20);
  REQUIRE(site.world().cancel(others.front()).ok());
  const Json cancelled = site.output_of(others.front());
  CHECK_THAT(text_of(cancelled, "debug"), Catch::Contains("cancelled before it was started"));
  CHECK_FALSE(cancelled.contains("runner_waits"));
  REQUIRE(site.world().cancel(first).ok());
  for (int i = 1; i < 20; ++i) {
    const Json output = site.output_of(others[static_cast<std::size_t>(i)]);
    CHECK(text_of(output, "stdout") == std::to_string(i) + "\n");
    CHECK_FALSE(output.contains("runner_waits"));
  }
  site.wait_for_runners(0, 0);
}
