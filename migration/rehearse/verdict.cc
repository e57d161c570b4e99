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

std::string of_ruby(const Stage& stage) {
  const ModeFindings& ours = stage.modes[0];
  const ModeFindings& ruby = *stage.ruby;
  const auto times = [](double value, double base) { return base > 0 ? fmt::format(", {} times that of in-process", number_text(value / base)) : ""; };
  return fmt::format("The Ruby pair: {} ms CPU a host{}; {} s a host until the last callback{}; a launch is answered in {} ms{}.",
                     number_text(ruby.cpu_ms_per_task()), times(ruby.cpu_ms_per_task(), ours.cpu_ms_per_task()),
                     number_text(1 / ruby.tasks_per_second()), times(ours.tasks_per_second(), ruby.tasks_per_second()),
                     number_text(ruby.launch_ms(0.5)), times(ruby.launch_ms(0.5), ours.launch_ms(0.5)));
}

}  // namespace

std::vector<Measure> measures_of(const Stage& stage) {
  const auto mib = [](const ModeFindings& mode) { return static_cast<double>(mode.memory_kib()) / 1024; };
  std::vector<Measure> measures;
  const auto add = [&](std::string_view name, std::string_view unit, const auto& value, bool is_more_better = false) {
    std::optional<double> ruby;
    if (stage.ruby) ruby = value(*stage.ruby);
    measures.push_back({name, unit, value(stage.modes[0]), value(stage.modes[1]), is_more_better, ruby});
  };
  add("launch of a job, p50", "ms", [](const ModeFindings& mode) { return mode.launch_ms(0.5); });
  add("launch of a job, p95", "ms", [](const ModeFindings& mode) { return mode.launch_ms(0.95); });
  add("hosts done", "/s", [](const ModeFindings& mode) { return mode.tasks_per_second(); }, true);
  add("until the last callback", "s", [](const ModeFindings& mode) { return mode.last_callback_s(); });
  add("CPU a host", "ms", [](const ModeFindings& mode) { return mode.cpu_ms_per_task(); });
  add("memory, all processes", "MiB", mib);
  add("GET /version idle, p50", "ms", [](const ModeFindings& mode) { return percentile(mode.idle_version_ms, 0.5); });
  add("GET /version idle, p99", "ms", [](const ModeFindings& mode) { return percentile(mode.idle_version_ms, 0.99); });
  add("GET /version busy, p50", "ms", [](const ModeFindings& mode) { return mode.version_ms(0.5); });
  add("GET /version busy, p99", "ms", [](const ModeFindings& mode) { return mode.version_ms(0.99); });
  return measures;
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
  for (const Stage& stage : findings.stages) {
    if (stage.ruby) sentences.push_back(of_ruby(stage));
  }
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
