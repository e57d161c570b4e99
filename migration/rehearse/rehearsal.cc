#include "migration/rehearse/rehearsal.h"

#include <fmt/format.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>

#include "migration/rehearse/byte_counter.h"
#include "migration/rehearse/load.h"
#include "migration/rehearse/throwaway_sshd.h"
#include "migration/rehearse/verdict.h"

namespace dynflow::migration {

namespace {

constexpr std::array kModes = {Mode::kInProcess, Mode::kExternal};
constexpr std::chrono::milliseconds kIdleProbe{1500};
constexpr std::size_t kFewestRounds = 2;
constexpr std::size_t kMostRounds = 100;
constexpr std::size_t kNoopHosts = 500;  // no-op jobs are over too soon to be measured with the hosts of an SSH job
constexpr std::size_t kMostRubyHosts = 100;  // it plans all of a launch while the client waits
constexpr std::string_view kRubyClass = "ForemanRemoteExecutionCore::Actions::RunScript";
constexpr std::size_t kSteps = 100;

class Rehearsal {
 public:
  Rehearsal(const RehearsalOptions& options, const Interrupt& interrupt, const Progress& progress, Findings& findings)
      : options_(options), interrupt_(interrupt), progress_(progress), findings_(findings) {}

  Status run(const Playground& playground) {
    playground_ = &playground;
    if (Status ready = make_tls(playground); !ready.ok()) return ready;
    std::shared_ptr<const net::TlsServerContext> server;
    if (tls_) {
      auto made = tls_->server();
      if (!made) return made.error();
      server = *std::move(made);
    }
    auto foreman = StandInForeman::start(std::move(server));
    if (!foreman) return foreman.error();
    foreman_ = std::move(*foreman);

    progress_(0, kSteps, "starting a throw-away sshd");
    const auto folder = playground.folder("sshd");
    if (!folder) return folder.error();
    auto sshd = ThrowawaySshd::start(*folder, interrupt_);
    const bool has_ssh = sshd.ok();
    if (!has_ssh && sshd.error().code() != Code::kNotFound) return sshd.error();
    if (!has_ssh) findings_.skipped.push_back(fmt::format("jobs over SSH: {}; no-op jobs only", sshd.error().message()));

    const Duration share = options_.duration / (has_ssh ? 2 : 1);
    const LoadOptions noop{std::max(options_.hosts, std::min(options_.hosts * 10, kNoopHosts)), options_.jobs, "nobody", 22};
    if (Status ran = run_stage("no-op", "No-op jobs: everything but the hosts", {}, noop, share, 2, has_ssh ? 50 : 98); !ran.ok()) return ran;
    if (!has_ssh) return {};
    const LoadOptions ssh{options_.hosts, options_.jobs, (*sshd)->user(), (*sshd)->port()};
    return run_stage("ssh", "Jobs over SSH: true on a throw-away sshd", (*sshd)->client_key(), ssh, share, 50, 98);
  }

 private:
  // As the site has it; without the program it takes, as without TLS.
  Status make_tls(const Playground& playground) {
    if (!options_.site.is_tls) return {};
    progress_(0, kSteps, "making a throw-away certificate");
    const auto folder = playground.folder("tls");
    if (!folder) return folder.error();
    auto made = ThrowawayTls::make(*folder, interrupt_);
    if (!made && made.error().code() != Code::kNotFound) return made.error();
    if (made) {
      tls_ = *std::move(made);
      findings_.site.notes.emplace_back("TLS everywhere, as at the site, with a throw-away certificate (RSA, 4096 bits)");
    } else {
      findings_.site.notes.push_back(fmt::format("the site uses TLS; the rehearsal was plain HTTP: {}", made.error().message()));
    }
    return {};
  }

  const ThrowawayTls* tls() const { return tls_ ? &*tls_ : nullptr; }

  // Progress goes from `first` to `last`.
  Status run_stage(std::string name, std::string title, const std::filesystem::path& key, const LoadOptions& load, Duration share,
                   std::size_t first, std::size_t last) {
    Stage stage{std::move(name), std::move(title), load.hosts, load.jobs, {}, std::nullopt};
    std::vector<std::unique_ptr<ModeStand>> stands;
    for (const Mode mode : kModes) {
      progress_(first, kSteps, fmt::format("{}: starting {}", stage.name, to_string(mode)));
      const auto folder = playground_->folder(fmt::format("{}-{}", stage.name, to_string(mode)));
      if (!folder) return folder.error();
      const Instant began = system_clock().instant();
      auto stand = ModeStand::start({mode, *folder, &options_.site, foreman_->url(), key, nullptr, tls()}, interrupt_);
      if (!stand) return stand.error().in(fmt::format("{} mode", to_string(mode)));
      ModeFindings found;
      found.mode = mode;
      found.start_s = to_seconds(system_clock().instant() - began);
      if (Status prepared = prepare(**stand, found, load); !prepared.ok()) return prepared;
      stage.modes.push_back(std::move(found));
      stands.push_back(std::move(*stand));
    }
    const Instant began = system_clock().instant();
    for (std::size_t round = 0; round < kMostRounds; ++round) {
      const double part = to_seconds(system_clock().instant() - began) / to_seconds(share);
      if (round >= kFewestRounds && part >= 1) break;
      // Who goes first changes, so that neither always has the warmer machine.
      for (std::size_t turn = 0; turn < stands.size(); ++turn) {
        const std::size_t which = (round + turn) % stands.size();
        progress_(first + static_cast<std::size_t>(std::min(part, 1.0) * static_cast<double>(last - first)), kSteps,
                  fmt::format("{}: round {}, {}", stage.name, round + 1, to_string(stands[which]->mode())));
        auto done = run_round(*stands[which], *foreman_, load, interrupt_);
        if (!done) return done.error();
        stage.modes[which].rounds.push_back(std::move(*done));
      }
    }
    for (std::size_t which = 0; which < stands.size(); ++which) {
      if (Status seen = look_at_memory(*stands[which], stage.modes[which], &ProcessMemory::after_kib); !seen.ok()) return seen;
    }
    if (!key.empty()) {
      if (Status tried = try_ruby(stage, key, load); !tried.ok()) return tried;
    }
    findings_.stages.push_back(std::move(stage));
    return key.empty() ? count_traffic(*stands.back(), load) : Status();
  }

  // The Ruby pair, for one round. An error is the interrupt's; others are told and spoil nothing.
  Status try_ruby(Stage& stage, const std::filesystem::path& key, LoadOptions load) {
    if (!options_.ruby) {
      findings_.skipped.push_back(fmt::format("the Ruby pair: {}", options_.ruby.error().message()));
      return {};
    }
    load.hosts = std::min(load.hosts, kMostRubyHosts);
    load.action_class = kRubyClass;
    auto found = run_ruby(key, load);
    if (Status going = interrupt_.check(); !going.ok()) return going;
    if (!found) {
      findings_.skipped.push_back(fmt::format("the Ruby pair: {}", found.error().message()));
      return {};
    }
    stage.ruby = std::move(*found);
    findings_.site.notes.push_back(fmt::format("the Ruby pair ran one round of {} jobs on {} hosts, with its tasks in memory", load.jobs, load.hosts));
    return {};
  }

  Result<ModeFindings> run_ruby(const std::filesystem::path& key, const LoadOptions& load) {
    progress_(96, kSteps, "the Ruby pair");
    const auto folder = playground_->folder("ruby");
    if (!folder) return folder.error();
    const Instant began = system_clock().instant();
    auto stand = ModeStand::start({Mode::kRuby, *folder, &options_.site, foreman_->url(), key, &*options_.ruby, tls()}, interrupt_);
    if (!stand) return stand.error();
    ModeFindings found;
    found.mode = Mode::kRuby;
    found.start_s = to_seconds(system_clock().instant() - began);
    if (Status prepared = prepare(**stand, found, load); !prepared.ok()) return prepared.error();
    auto round = run_round(**stand, *foreman_, load, interrupt_);
    if (!round) return round.error();
    found.rounds.push_back(std::move(*round));
    if (Status seen = look_at_memory(**stand, found, &ProcessMemory::after_kib); !seen.ok()) return seen.error();
    return found;
  }

  // Memory and /version of programs that have nothing to do; and a small job, so that no round pays for what happens once.
  Status prepare(ModeStand& stand, ModeFindings& found, const LoadOptions& load) {
    for (const std::string& name : stand.process_names()) found.memory.push_back({name, 0, 0});
    auto idle = probe_idle(stand, kIdleProbe, interrupt_);
    if (!idle) return idle.error();
    found.idle_version_ms = std::move(*idle);
    if (Status seen = look_at_memory(stand, found, &ProcessMemory::idle_kib); !seen.ok()) return seen;
    LoadOptions small = load;
    small.jobs = 1;
    small.hosts = std::min<std::size_t>(load.hosts, 5);
    const auto warm = run_round(stand, *foreman_, small, interrupt_);
    return warm ? Status() : warm.error();
  }

  static Status look_at_memory(const ModeStand& stand, ModeFindings& found, std::int64_t ProcessMemory::*where) {
    const auto costs = stand.costs();
    if (!costs) return costs.error();
    for (std::size_t i = 0; i < costs->size(); ++i) found.memory[i].*where = (*costs)[i].memory_kib;
    return {};
  }

  // Apart from the rounds, through a relay of its own, so that counting slows nothing that is timed.
  Status count_traffic(const ModeStand& external, const LoadOptions& load) {
    const auto folder = playground_->folder("traffic");
    if (!folder) return folder.error();
    const auto counter = ByteCounter::start(external.core_port());
    if (!counter) return counter.error();
    auto relay = ModeStand::start_relay({Mode::kExternal, *folder, &options_.site, foreman_->url(), {}, nullptr, tls()}, (*counter)->port(), interrupt_);
    if (!relay) return relay.error().in("relay for counting");
    foreman_->clear();
    const auto sum = [&] { return (*counter)->counts().to_core + (*counter)->counts().from_core; };
    RelayTraffic traffic;
    const std::uint64_t before = sum();
    double ignored = 0;
    const auto ids = launch_one(**relay, load, interrupt_, ignored);
    if (!ids) return ids.error();
    traffic.tasks = ids->size();
    traffic.launch_bytes = sum() - before;
    foreman_->wait_for(ids->size(), std::chrono::seconds(60), interrupt_);
    const std::uint64_t launched = sum();
    for (const std::string& id : *ids) {
      const auto answer = (*relay)->send("GET", "/dynflow/tasks/" + id + "/status", "", interrupt_);
      if (!answer) return answer.error();
      if (answer->status != 200) return Error(Code::kFailed, fmt::format("status of {}: {}", id, answer->status));
    }
    traffic.status_bytes = sum() - launched;
    findings_.traffic = traffic;
    return {};
  }

  const RehearsalOptions& options_;
  const Interrupt& interrupt_;
  const Progress& progress_;
  Findings& findings_;
  const Playground* playground_ = nullptr;
  std::optional<ThrowawayTls> tls_;  // nothing: plain HTTP
  std::unique_ptr<StandInForeman> foreman_;
};

void look_at_machine(Findings& findings) {
  findings.processors = get_nprocs();
  struct sysinfo info {};
  if (sysinfo(&info) == 0) {
    findings.memory_mib = static_cast<std::int64_t>(info.totalram) * info.mem_unit / (1024 * 1024);
    findings.load_before = static_cast<double>(info.loads[0]) / (1 << SI_LOAD_SHIFT);
  }
  utsname name{};
  if (uname(&name) == 0) findings.machine = fmt::format("{} {} {}", name.sysname, name.release, name.machine);
}

}  // namespace

Result<Findings> run_rehearsal(const RehearsalOptions& options, const Interrupt& interrupt, const Progress& progress) {
  Findings findings;
  findings.site = options.site;
  look_at_machine(findings);
  const Instant began = system_clock().instant();
  {
    const auto playground = Playground::make();
    if (!playground) return playground.error();
    Rehearsal rehearsal(options, interrupt, progress, findings);
    if (Status ran = rehearsal.run(*playground); !ran.ok()) return ran.error();
    progress(98, kSteps, "ending what was started");
  }
  findings.took_s = to_seconds(system_clock().instant() - began);
  findings.verdict = verdict_of(findings);
  progress(kSteps, kSteps, "done");
  return findings;
}

}  // namespace dynflow::migration
