#include "migration/rehearse/verdict.h"

#include <fmt/format.h>

#include <cmath>

namespace dynflow::migration {

namespace {

constexpr double kNoise = 0.1;
constexpr double kSlowerRatio = 3;  // in-process against external, slowest hundredth of GET /version under load
constexpr double kNoticedMs = 10;   // from here on it is worth a sentence
constexpr double kHarmfulMs = 100;  // from here on people notice

// "37 % less CPU", "no clear difference in CPU": rounds that overlap decide nothing.
std::string compared(const std::vector<double>& ours, const std::vector<double>& others, std::string_view what) {
  const double change = median(others) > 0 ? median(ours) / median(others) - 1 : 0;
  const bool overlaps = percentile(ours, 0) <= percentile(others, 1) && percentile(others, 0) <= percentile(ours, 1);
  if (overlaps || std::abs(change) < kNoise) return fmt::format("no clear difference in {}", what);
  return fmt::format("{:.0f} % {} {}", std::abs(change) * 100, change < 0 ? "less" : "more", what);
}

bool slows_others(const Stage& stage, double from_ms) {
  const double in_process = stage.modes[0].version_ms(0.99);
  return in_process > from_ms && in_process > kSlowerRatio * stage.modes[1].version_ms(0.99);
}

std::string of_stage(const Stage& stage) {
  const ModeFindings& in_process = stage.modes[0];
  const ModeFindings& external = stage.modes[1];
  return fmt::format(
      "{}. In-process: {} ({} against {} ms a host), {} until the last callback ({} against {} s); a launch is answered in {} against {} ms.",
      stage.title, compared(in_process.cpus_ms_per_task(), external.cpus_ms_per_task(), "CPU"), number_text(in_process.cpu_ms_per_task()),
      number_text(external.cpu_ms_per_task()), compared(in_process.last_callbacks_s(), external.last_callbacks_s(), "time"),
      number_text(in_process.last_callback_s()), number_text(external.last_callback_s()), number_text(in_process.launch_ms(0.5)),
      number_text(external.launch_ms(0.5)));
}

std::string of_others(const Stage& stage) {
  const ModeFindings& in_process = stage.modes[0];
  const ModeFindings& external = stage.modes[1];
  return fmt::format(
      "Other requests while these jobs run: the slowest hundredth of GET /version takes {} ms in-process and {} ms with the core service, "
      "against {} and {} ms when nothing runs.",
      number_text(in_process.version_ms(0.99)), number_text(external.version_ms(0.99)),
      number_text(percentile(in_process.idle_version_ms, 0.99)), number_text(percentile(external.idle_version_ms, 0.99)));
}

}  // namespace

std::vector<Measure> measures_of(const Stage& stage) {
  const ModeFindings& a = stage.modes[0];
  const ModeFindings& b = stage.modes[1];
  return {
      {"launch of a job, p50", "ms", a.launch_ms(0.5), b.launch_ms(0.5)},
      {"launch of a job, p95", "ms", a.launch_ms(0.95), b.launch_ms(0.95)},
      {"hosts done", "/s", a.tasks_per_second(), b.tasks_per_second(), true},
      {"until the last callback", "s", a.last_callback_s(), b.last_callback_s()},
      {"CPU a host", "ms", a.cpu_ms_per_task(), b.cpu_ms_per_task()},
      {"memory, all processes", "MiB", static_cast<double>(a.memory_kib()) / 1024, static_cast<double>(b.memory_kib()) / 1024},
      {"GET /version idle, p50", "ms", percentile(a.idle_version_ms, 0.5), percentile(b.idle_version_ms, 0.5)},
      {"GET /version idle, p99", "ms", percentile(a.idle_version_ms, 0.99), percentile(b.idle_version_ms, 0.99)},
      {"GET /version busy, p50", "ms", a.version_ms(0.5), b.version_ms(0.5)},
      {"GET /version busy, p99", "ms", a.version_ms(0.99), b.version_ms(0.99)},
  };
}

std::string number_text(double value) {
  const double size = std::abs(value);
  if (size >= 100) return fmt::format("{:.0f}", value);
  if (size >= 10) return fmt::format("{:.1f}", value);
  if (size >= 1) return fmt::format("{:.2f}", value);
  return fmt::format("{:.3f}", value);
}

std::vector<std::string> verdict_of(const Findings& findings) {
  std::vector<std::string> sentences;
  std::size_t failed = 0;
  bool slows = false;
  bool harms = false;
  for (const Stage& stage : findings.stages) {
    for (const ModeFindings& mode : stage.modes) failed += mode.tasks() - mode.succeeded();
    slows = slows || slows_others(stage, kNoticedMs);
    harms = harms || slows_others(stage, kHarmfulMs);
  }
  if (failed > 0) {
    sentences.push_back(fmt::format("{} jobs failed: look at that first, the figures say little.", failed));
  } else if (harms) {
    sentences.emplace_back(
        "Jobs in-process slow down other requests of the proxy on this machine: lower :max_running_runners: in dynflow.yml, or keep the "
        "core service.");
  } else if (slows) {
    sentences.emplace_back(
        "In-process execution works on this machine; other requests of the proxy wait a little longer while jobs run than with the core "
        "service.");
  } else {
    sentences.emplace_back("Nothing measured here speaks against in-process execution on this machine.");
  }
  for (const Stage& stage : findings.stages) sentences.push_back(of_stage(stage));
  if (!findings.stages.empty()) {
    const Stage& last = findings.stages.back();
    sentences.push_back(of_others(last));
    const double saved = static_cast<double>(last.modes[1].memory_kib() - last.modes[0].memory_kib()) / 1024;
    sentences.push_back(saved > 0 ? fmt::format("Without the core service the machine keeps {} MiB more memory.", number_text(saved))
                                  : fmt::format("In-process takes {} MiB more memory than both processes of the other mode.", number_text(-saved)));
  }
  if (findings.traffic) {
    const auto tasks = static_cast<double>(findings.traffic->tasks);
    sentences.push_back(fmt::format("The relay sends {:.0f} bytes a host to the core and back for a launch, and {:.0f} for each look at a "
                                    "task; in-process there is no such traffic.",
                                    static_cast<double>(findings.traffic->launch_bytes) / tasks,
                                    static_cast<double>(findings.traffic->status_bytes) / tasks));
  }
  return sentences;
}

}  // namespace dynflow::migration
