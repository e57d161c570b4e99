// What the numbers say, in words; and the rows of the table that shows them side by side.
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "migration/rehearse/findings.h"

namespace dynflow::migration {

// One measure of both modes, and of the Ruby pair. Fewer is better unless `is_more_better`.
struct Measure {
  std::string_view name;  // "launch, p50"
  std::string_view unit;  // "ms"
  double in_process = 0;
  double external = 0;
  bool is_more_better = false;
  std::optional<double> ruby;  // of the Ruby pair, where it ran
};

// Of a stage with both modes and a round of each.
std::vector<Measure> measures_of(const Stage& stage);
// "12.3", "0.042": three digits that matter.
std::string number_text(double value);

// Sentences, the conclusion first. A difference below a tenth, or one between modes whose rounds overlap, counts as none.
std::vector<std::string> verdict_of(const Findings& findings);

}  // namespace dynflow::migration
