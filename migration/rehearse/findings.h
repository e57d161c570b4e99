// What a rehearsal found out: values that the reports are made from.
//
// Threads: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "migration/rehearse/mode_stand.h"

namespace dynflow::migration {

// One round: all jobs through one mode.
struct Round {
  std::vector<double> launch_ms;        // of each job: until the durable answer
  std::vector<double> arrivals_s;       // of each callback, in order, from the first launch on
  std::size_t tasks = 0;
  std::size_t succeeded = 0;            // tasks whose callback said so
  double wall_s = 0;                    // first launch to last callback
  double cpu_s = 0;                     // of the mode's processes
  std::vector<double> version_ms;       // GET /version meanwhile
};

struct ProcessMemory {
  std::string name;
  std::int64_t idle_kib = 0;   // before the first job
  std::int64_t after_kib = 0;  // after the last
};

// All rounds of one mode in one stage.
struct ModeFindings {
  Mode mode = Mode::kInProcess;
  std::vector<Round> rounds;
  std::vector<double> idle_version_ms;  // GET /version while nothing runs
  std::vector<ProcessMemory> memory;
  double start_s = 0;                   // until all its programs answered

  std::vector<double> last_callbacks_s() const;  // of each round, and so on
  std::vector<double> cpus_ms_per_task() const;
  // Medians over the rounds.
  double tasks_per_second() const;
  double launch_ms(double share) const;  // over all jobs of all rounds
  double last_callback_s() const { return median(last_callbacks_s()); }
  double cpu_ms_per_task() const { return median(cpus_ms_per_task()); }
  double version_ms(double share) const;  // under load, over all rounds
  std::int64_t memory_kib() const;        // after the last job, all processes
  std::size_t tasks() const;
  std::size_t succeeded() const;
  std::size_t callbacks() const;
  // The round in the middle, by its duration. Not without rounds.
  const Round& typical() const;
};

// What the relay sends to the core and gets from it, counted in between.
struct RelayTraffic {
  std::size_t tasks = 0;
  std::uint64_t launch_bytes = 0;   // both ways, for all tasks
  std::uint64_t status_bytes = 0;   // both ways, for one status document of each task
};

struct Stage {
  std::string name;   // "no-op", "ssh"
  std::string title;  // for people
  std::size_t hosts = 0;  // of a job
  std::size_t jobs = 0;   // of a round
  std::vector<ModeFindings> modes;  // in-process, external
  std::optional<ModeFindings> ruby;  // one round, where the Ruby pair is installed
};

struct Findings {
  int processors = 0;
  std::int64_t memory_mib = 0;
  double load_before = 0;  // of the machine, before it began
  std::string machine;     // kernel and architecture
  double took_s = 0;
  SiteSettings site;
  std::vector<Stage> stages;
  std::optional<RelayTraffic> traffic;
  std::vector<std::string> skipped;  // what was not done, and why
  std::vector<std::string> verdict;  // sentences
};

}  // namespace dynflow::migration
