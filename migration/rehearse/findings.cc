#include "migration/rehearse/findings.h"

#include <algorithm>

namespace dynflow::migration {

namespace {

template <class Value>
std::vector<double> each(const std::vector<Round>& rounds, Value value) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(value(round));
  return values;
}

template <class List>
std::vector<double> joined(const std::vector<Round>& rounds, List list) {
  std::vector<double> all;
  for (const Round& round : rounds) all.insert(all.end(), (round.*list).begin(), (round.*list).end());
  return all;
}

template <class Value>
std::size_t sum_of(const std::vector<Round>& rounds, Value value) {
  std::size_t sum = 0;
  for (const Round& round : rounds) sum += value(round);
  return sum;
}

}  // namespace

double ModeFindings::tasks_per_second() const {
  return median(each(rounds, [](const Round& round) { return round.wall_s > 0 ? static_cast<double>(round.arrivals_s.size()) / round.wall_s : 0; }));
}

double ModeFindings::launch_ms(double share) const { return percentile(joined(rounds, &Round::launch_ms), share); }

std::vector<double> ModeFindings::last_callbacks_s() const {
  return each(rounds, [](const Round& round) { return round.wall_s; });
}

std::vector<double> ModeFindings::cpus_ms_per_task() const {
  return each(rounds, [](const Round& round) { return round.tasks > 0 ? round.cpu_s * 1000 / static_cast<double>(round.tasks) : 0; });
}

double ModeFindings::version_ms(double share) const { return percentile(joined(rounds, &Round::version_ms), share); }

std::int64_t ModeFindings::memory_kib() const {
  std::int64_t sum = 0;
  for (const ProcessMemory& process : memory) sum += process.after_kib;
  return sum;
}

std::size_t ModeFindings::tasks() const {
  return sum_of(rounds, [](const Round& round) { return round.tasks; });
}

std::size_t ModeFindings::succeeded() const {
  return sum_of(rounds, [](const Round& round) { return round.succeeded; });
}

std::size_t ModeFindings::callbacks() const {
  return sum_of(rounds, [](const Round& round) { return round.arrivals_s.size(); });
}

const Round& ModeFindings::typical() const {
  const double middle = last_callback_s();
  return *std::find_if(rounds.begin(), rounds.end(), [&](const Round& round) { return round.wall_s == middle; });
}

}  // namespace dynflow::migration
