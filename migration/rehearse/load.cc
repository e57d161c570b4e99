#include "migration/rehearse/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "shared/base/ids.h"
#include "shared/base/thread.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

constexpr std::chrono::milliseconds kProbePause{5};
constexpr std::chrono::seconds kCallbacksMayTake{60};

// What Foreman's remote execution sends for a host; see docs/openapi.
Json input_of(const LoadOptions& load) {
  return {{"ssh_user", load.ssh_user},
          {"ssh_port", load.ssh_port},
          {"hostname", "127.0.0.1"},
          {"script", "true"},
          {"effective_user", nullptr},
          {"effective_user_method", "sudo"},
          {"cleanup_working_dirs", true},
          {"first_execution", true},
          {"secrets", {{"ssh_password", nullptr}, {"key_passphrase", nullptr}, {"effective_user_password", nullptr}}},
          {"callback", {{"task_id", system_ids().uuid()}, {"step_id", 3}}}};
}

// Asks for /version again and again until it is told to stop.
class VersionProbe {
 public:
  VersionProbe(ModeStand& stand, const Interrupt& interrupt)
      : thread_("version-probe", [this, &stand, &interrupt] {
          while (!is_over_ && interrupt.check().ok()) {
            const auto answer = stand.send("GET", "/version", "", interrupt);
            if (answer && answer->status == 200 && !is_over_) times_.push_back(answer->milliseconds);
            std::this_thread::sleep_for(kProbePause);
          }
        }) {}

  std::vector<double> stop() {
    is_over_ = true;
    thread_.join();
    return std::move(times_);
  }
  ~VersionProbe() { stop(); }

 private:
  std::atomic<bool> is_over_ = false;
  std::vector<double> times_;  // the thread's until it is joined
  NamedThread thread_;
};

Result<double> cpu_of(const ModeStand& stand) {
  const auto costs = stand.costs();
  if (!costs) return costs.error();
  double sum = 0;
  for (const ProcessCost& cost : *costs) sum += cost.cpu_seconds;
  return sum;
}

}  // namespace

Result<std::vector<std::string>> launch_one(ModeStand& stand, const LoadOptions& load, const Interrupt& interrupt, double& milliseconds) {
  Json tasks = Json::object();
  std::vector<std::string> ids;
  for (std::size_t host = 0; host < load.hosts; ++host) {
    ids.push_back(system_ids().uuid());
    tasks[ids.back()] = {{"action_class", load.action_class}, {"action_input", input_of(load)}};
  }
  const Json request = {{"operation", "ssh"}, {"input", std::move(tasks)}, {"options", Json::object()}};
  const auto answer = stand.send("POST", "/dynflow/tasks/launch", json::dump(request), interrupt);
  if (!answer) return answer.error().in("launch");
  if (answer->status != 200) return Error(Code::kFailed, fmt::format("launch: {} {}", answer->status, answer->body.substr(0, 400)));
  milliseconds = answer->milliseconds;
  return ids;
}

Result<Round> run_round(ModeStand& stand, StandInForeman& foreman, const LoadOptions& load, const Interrupt& interrupt) {
  foreman.clear();
  Round round;
  const auto cpu_before = cpu_of(stand);
  if (!cpu_before) return cpu_before.error();
  VersionProbe probe(stand, interrupt);
  const Instant began = system_clock().instant();
  for (std::size_t job = 0; job < load.jobs; ++job) {
    if (Status going = interrupt.check(); !going.ok()) return going.error();
    double milliseconds = 0;
    const auto ids = launch_one(stand, load, interrupt, milliseconds);
    if (!ids) return ids.error();
    round.launch_ms.push_back(milliseconds);
    round.tasks += ids->size();
  }
  const std::vector<Arrival> arrivals = foreman.wait_for(round.tasks, kCallbacksMayTake, interrupt);
  round.version_ms = probe.stop();
  if (Status going = interrupt.check(); !going.ok()) return going.error();
  if (arrivals.size() < round.tasks) {
    return Error(Code::kFailed, fmt::format("{} mode: {} of {} callbacks arrived within {} s of the last launch", to_string(stand.mode()),
                                            arrivals.size(), round.tasks, kCallbacksMayTake.count()));
  }
  const auto cpu_after = cpu_of(stand);
  if (!cpu_after) return cpu_after.error();
  round.cpu_s = *cpu_after - *cpu_before;
  for (const Arrival& arrival : arrivals) {
    round.arrivals_s.push_back(to_seconds(arrival.when - began));
    round.succeeded += arrival.succeeded ? 1 : 0;
  }
  std::sort(round.arrivals_s.begin(), round.arrivals_s.end());
  round.wall_s = round.arrivals_s.back();
  return round;
}

Result<std::vector<double>> probe_idle(ModeStand& stand, Duration span, const Interrupt& interrupt) {
  VersionProbe probe(stand, interrupt);
  const Deadline deadline = Deadline::after(span);
  while (!deadline.has_passed()) {
    if (Status going = interrupt.check(); !going.ok()) return going.error();
    std::this_thread::sleep_for(std::min<Duration>(deadline.left(), std::chrono::milliseconds(50)));
  }
  return probe.stop();
}

}  // namespace dynflow::migration
