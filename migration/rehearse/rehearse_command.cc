#include "migration/rehearse/rehearse_command.h"

#include <fmt/format.h>

#include "migration/rehearse/html_report.h"
#include "migration/rehearse/rehearsal.h"
#include "migration/rehearse/report.h"
#include "shared/base/interrupt.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

constexpr long kMostHosts = 1000;  // one machine stands for all of them
constexpr long kMostJobs = 100;
constexpr long kLongest = 600;                  // seconds to measure
constexpr std::chrono::seconds kOverhead{130};  // to start, to end, and for rounds that take long

constexpr Option kOptions[] = {
    {"hosts", OptionKind::kValue, "N", "Hosts of a job (default: 50)"},
    {"jobs", OptionKind::kValue, "N", "Jobs of a round, launched one after the other (default: 4)"},
    {"duration", OptionKind::kValue, "SECONDS", "How long to measure (default: 40); two rounds of each mode in any case"},
    {"html", OptionKind::kValue, "FILE", "Write a report with charts"},
    {"ruby-proxy", OptionKind::kValue, "COMMAND", "Start of the Ruby proxy, which gets its settings folder behind it (default: the packages')"},
    {"ruby-core", OptionKind::kValue, "COMMAND", "Start of the Ruby core service, likewise"},
};

Result<long> number_between(const Arguments& arguments, std::string_view name, long fallback, long most) {
  const auto number = arguments.number(name);
  if (!number) return number.error();
  const long value = number->value_or(fallback);
  if (value < 1 || value > most) return Error(Code::kInvalid, fmt::format("--{}: expected 1 to {}, got {}", name, most, value));
  return value;
}

// As the options say, else as the packages have installed them.
Result<RubyPair> ruby_pair_of(Context& context) {
  const bool has_proxy = context.arguments.has("ruby-proxy");
  if (has_proxy != context.arguments.has("ruby-core")) return Error(Code::kInvalid, "--ruby-proxy and --ruby-core go together");
  if (!has_proxy) return find_ruby_pair(context.options.root);
  RubyPair pair{words_of(context.arguments.get("ruby-proxy")), words_of(context.arguments.get("ruby-core"))};
  if (pair.proxy.empty() || pair.core.empty()) return Error(Code::kInvalid, "--ruby-proxy and --ruby-core: expected a command");
  return pair;
}

Result<ExitCode> run_rehearse(Context& context) {
  RehearsalOptions options;
  const auto hosts = number_between(context.arguments, "hosts", 50, kMostHosts);
  if (!hosts) return hosts.error();
  const auto jobs = number_between(context.arguments, "jobs", 4, kMostJobs);
  if (!jobs) return jobs.error();
  const auto duration = number_between(context.arguments, "duration", 40, kLongest);
  if (!duration) return duration.error();
  options.hosts = static_cast<std::size_t>(*hosts);
  options.jobs = static_cast<std::size_t>(*jobs);
  options.duration = std::chrono::seconds(*duration);
  options.ruby = ruby_pair_of(context);
  if (!options.ruby && options.ruby.error().code() == Code::kInvalid) return options.ruby.error();
  const std::string folder = context.options.config_dir.empty() ? "/etc/foreman-proxy" : context.options.config_dir;
  options.site = read_site(folder, context.options.root == "/" ? "" : context.options.root);
  if (context.options.is_noop) {
    context.output.say(fmt::format("would run {} jobs on {} hosts a round through both modes for about {} s, in a folder and on ports of its own",
                                   *jobs, *hosts, *duration));
    return ExitCode::kFine;
  }

  remember_interrupts();
  const Interrupt interrupt(Deadline::after(options.duration + kOverhead));
  const auto findings = run_rehearsal(options, interrupt, [&](std::size_t done, std::size_t total, std::string_view text) {
    context.output.progress(done, total, text);
  });
  context.output.end_progress();
  if (!findings) return findings.error().in("rehearse");
  for (const std::string& line : report_lines(*findings)) context.output.say(line);
  context.output.document().update(report_document(*findings));
  if (const std::string file = context.arguments.get("html"); !file.empty()) {
    if (Status written = write_file(file, html_report(*findings)); !written.ok()) return written.error();
    context.output.say(fmt::format("report: {}", file));
    context.output.document()["html"] = file;
  }
  // The Ruby pair's own failures are no reason to look at this site.
  for (const Stage& stage : findings->stages) {
    for (const ModeFindings& mode : stage.modes) {
      if (mode.succeeded() != mode.tasks()) return ExitCode::kWarnings;
    }
  }
  return ExitCode::kFine;
}

}  // namespace

std::span<const Command> rehearse_commands() {
  static constexpr Command kCommands[] = {
      {"rehearse", "Run the same jobs in-process and through the core service, beside the running site, and compare", kOptions, run_rehearse}};
  return kCommands;
}

}  // namespace dynflow::migration
