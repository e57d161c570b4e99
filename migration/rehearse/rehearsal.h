// Runs the same jobs through both modes, in turn, and counts.
//
// Threads: run_rehearsal from any one thread; it has threads of its own while it runs.
#pragma once

#include <functional>
#include <string_view>

#include "migration/rehearse/findings.h"
#include "migration/rehearse/interrupt.h"

namespace dynflow::migration {

struct RehearsalOptions {
  std::size_t hosts = 50;               // tasks of a job
  std::size_t jobs = 4;                 // launches of a round
  std::chrono::seconds duration{40};    // to measure, for both modes and kinds of jobs together; two rounds of each in any case
  SiteSettings site;
  Result<RubyPair> ruby = Error(Code::kNotFound, "not looked for");  // an error says why there is none
};

// `done` of `total` steps, and what comes now.
using Progress = std::function<void(std::size_t done, std::size_t total, std::string_view text)>;

// Everything that was started has ended when it returns, also on errors. Errors: kClosed and kTimeout of the interrupt, kNotFound (our
// programs are not there), kFailed (a program does not start or does not answer). What goes wrong with the Ruby pair is only told.
Result<Findings> run_rehearsal(const RehearsalOptions& options, const Interrupt& interrupt, const Progress& progress);

}  // namespace dynflow::migration
