#include "shared/executors/remote_execution/fake_runner.h"

#include <fmt/core.h>

#include <cstdlib>
#include <fstream>
#include <random>

#include "shared/settings/schema.h"

namespace dynflow::remote_execution {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

class FakeRunner final : public runner::Runner {
 public:
  FakeRunner(runner::Publisher& publisher, net::EventLoop& loop, const Simulation& simulation)
      : Runner(publisher), loop_(loop), simulation_(simulation) {}
  ~FakeRunner() override { loop_.cancel(timer_); }

  void start() override {
    if (position_ == simulation_.lines.size()) {
      finish();
      return;
    }
    publisher().publish("stdout", simulation_.lines[position_++]);
    timer_ = loop_.run_after(simulation_.interval, [this] { start(); });
  }
  void kill() override { finish(); }

 private:
  void finish() {
    loop_.cancel(timer_);
    static thread_local std::minstd_rand random{std::random_device{}()};
    const bool fails = simulation_.exit_status != 0 &&
                       std::uniform_int_distribution<int>(1, 100)(random) <= simulation_.fail_percent;
    publisher().finish(runner::ExitStatus::code(fails ? simulation_.exit_status : 0));
  }

  net::EventLoop& loop_;
  const Simulation& simulation_;
  std::size_t position_ = 0;
  net::EventLoop::TimerId timer_ = 0;
};

}  // namespace

Result<std::optional<Simulation>> simulation_from_environment() {
  const std::string wanted = variable("REX_SIMULATE");
  if (wanted != "yes" && wanted != "true" && wanted != "1") return std::optional<Simulation>();
  Simulation simulation;
  simulation.exit_status = std::atoi(variable("REX_SIMULATE_EXIT").c_str());
  simulation.fail_percent = std::atoi(variable("REX_SIMULATE_FAIL_CHANCE").c_str());
  const std::string path = variable("REX_SIMULATE_PATH");
  if (path.empty()) {
    simulation.lines = {"====== Simulated Remote Execution ======\n", "\n", "This is an output of a simulated remote\n",
                        "execution run. It should run for about\n", "5 seconds and finish successfully.\n"};
    return std::optional(std::move(simulation));
  }
  std::ifstream file(settings::expand_home(path));
  if (!file) return Error(Code::kInvalid, fmt::format("REX_SIMULATE_PATH: cannot read {}", path));
  for (std::string line; std::getline(file, line);) simulation.lines.push_back(line + "\n");
  return std::optional(std::move(simulation));
}

std::unique_ptr<runner::Runner> make_fake_runner(runner::Publisher& publisher, net::EventLoop& loop,
                                                 const Simulation& simulation) {
  return std::make_unique<FakeRunner>(publisher, loop, simulation);
}

}  // namespace dynflow::remote_execution
