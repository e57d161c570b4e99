#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "migration/check/certificates.h"
#include "migration/check/checks.h"
#include "migration/site/host_name.h"
#include "migration/site/packages.h"
#include "shared/base/clock.h"
#include "shared/base/file.h"
#include "shared/settings/remote_execution_ssh.h"

namespace dynflow::migration {

namespace {

namespace fs = std::filesystem;

void add(const Check& check, std::vector<Finding>& findings, std::string seen, std::string mend) {
  findings.push_back({check.id, check.severity, std::move(seen), check.why, std::move(mend)});
}

// "path:line: text" of the lines of a file below the root that have a word.
std::vector<std::string> lines_with(const Layout& layout, const std::string& path, std::string_view word) {
  std::vector<std::string> found;
  std::ifstream file(layout.real(path));
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.find(word) != std::string::npos) found.push_back(fmt::format("{}:{}: {}", path, number, line.substr(line.find_first_not_of(" \t"))));
  }
  return found;
}

std::vector<std::string> files_in(const Layout& layout, const std::string& folder) {
  std::vector<std::string> found;
  std::error_code failure;
  for (fs::directory_iterator entry(layout.real(folder), failure), end; !failure && entry != end; entry.increment(failure)) {
    if (entry->is_regular_file(failure)) found.push_back(folder + "/" + entry->path().filename().string());
  }
  return found;
}

void certificates(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  // Trees of settings hold no certificates; what is missing there says nothing.
  if (!input.site.layout.has_programs()) return;
  for (const CertificatePair& pair : examine_pairs(input.site, question_of(input.site, input.target == Target::kExternal))) {
    for (const PairFlaw& flaw : pair.flaws) add(check, findings, fmt::format("{}: {} ({}): {}", pair.name, pair.file, pair.setting, flaw.what), flaw.mend);
    for (const PairFlaw& hint : pair.hints) findings.push_back({check.id, Severity::kWarning, fmt::format("{}: {}: {}", pair.name, pair.file, hint.what), check.why, hint.mend});
  }
}

void port_is_right(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  const Site& site = input.site;
  if (!site.layout.is_live() || !site.sidecar || input.target == Target::kMerged) return;
  // Without the relay nobody asks there.
  if (input.target == Target::kInternal && site.external_core() == false && !site.sidecar_unit.is_active) return;
  const auto& owner = site.core_port_owner;
  if (!owner) return;
  const std::string mend = fmt::format("ss -ltnp 'sport = :{}'", site.sidecar->port);
  if (site.sidecar_unit.is_known && !site.sidecar_unit.is_active) {
    add(check, findings, fmt::format("port {} is taken by {} while the core service does not run", site.sidecar->port, owner->name), mend);
  } else if (owner->pid == 0) {
    findings.push_back({check.id, Severity::kWarning, fmt::format("whose port {} is cannot be seen by this user", site.sidecar->port), check.why, "run it as root"});
  } else if (site.sidecar_unit.main_pid != 0 && owner->pid != site.sidecar_unit.main_pid) {
    add(check, findings, fmt::format("port {} belongs to {} (pid {}), not to the core service", site.sidecar->port, owner->name, owner->pid), mend);
  }
}

void no_jobs_run(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  if (!input.jobs && !input.proxy_problem.empty()) {
    findings.push_back({check.id, Severity::kWarning, fmt::format("whether jobs run is not known: {}", input.proxy_problem), check.why,
                        "start the proxy, or say with --proxy-url where it answers"});
    return;
  }
  const std::int64_t jobs = input.jobs.value_or(0);
  if (jobs == 0) return;
  std::vector<std::string> named;
  for (const RunningJob& job : input.running) named.push_back(to_text(job));
  std::string seen = fmt::format("{} jobs run", jobs);
  if (!named.empty()) seen += fmt::format(": {}{}", fmt::join(named, "; "), jobs > static_cast<std::int64_t>(named.size()) ? "; ..." : "");
  add(check, findings, std::move(seen), "apply --hand-over keeps them; --drain SECONDS waits for them");
}

void no_detached_jobs(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  const Layout& layout = input.site.layout;
  const fs::path folder = fs::path(input.site.dynflow_file).parent_path();
  const auto module = settings::load_module(settings::remote_execution_ssh_table(), layout.real(folder.string()).string());
  const auto read = module ? settings::remote_execution_settings(module->values) : Result<settings::RemoteExecutionSettings>(module.error());
  if (!read) {
    add(check, findings, fmt::format("whether there are such jobs is not known: {}", site_path(layout, read.error().message())), "edit the line that is named");
    return;
  }
  if (!read->is_async_requested && read->mode == settings::RemoteExecutionMode::kSsh) return;
  const bool is_old_key = read->is_async_requested && module->values.is_present("async_ssh");
  const std::string key = is_old_key ? "async_ssh" : "mode";
  add(check, findings, fmt::format("{}: :{}: hosts report by themselves", site_path(layout, module->values.place(key)), key),
      "their tokens are known to the old side only: apply --hand-over asks it");
}

void nobody_names_the_sidecar(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  const Layout& layout = input.site.layout;
  for (const std::string& path : files_in(layout, "/etc/logrotate.d")) {
    for (const std::string& line : lines_with(layout, path, "kill")) {
      if (line.find("foreman-proxy") != std::string::npos && line.find("--kill-who") == std::string::npos && line.find("systemctl kill") != std::string::npos) {
        add(check, findings, line, "add --kill-whom=main: the signal would reach the ssh processes of jobs");
      }
    }
  }
  if (input.target == Target::kExternal) return;
  for (const char* folder : {"/etc/logrotate.d", "/etc/nagios/nrpe.d", "/etc/monit.d", "/etc/cron.d", "/etc/firewalld/services", "/etc/ufw/applications.d"}) {
    for (const std::string& path : files_in(layout, folder)) {
      for (const std::string& line : lines_with(layout, path, kSidecarUnit)) add(check, findings, line, "point it to foreman-proxy after the change");
    }
  }
}

// The number behind a word in a file of /proc: "Max open files", "VmRSS:", "MemAvailable:".
std::optional<long> number_in(const Layout& layout, const std::string& path, std::string_view word) {
  std::ifstream file(layout.real(path));
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with(word)) continue;
    const auto at = line.find_first_of("0123456789", word.size());
    if (at != std::string::npos) return std::atol(line.c_str() + at);
  }
  return std::nullopt;
}

// MiB of "1G", "512M", "1073741824"; nothing for "infinity" and shares.
std::optional<long> mebibytes(const std::string& text) {
  char* unit = nullptr;
  const double value = std::strtod(text.c_str(), &unit);
  if (unit == text.c_str() || *unit == '%') return std::nullopt;
  const double factor = *unit == 'T' ? 1024.0 * 1024 : *unit == 'G' ? 1024 : *unit == 'M' ? 1 : *unit == 'K' ? 1.0 / 1024 : 1.0 / 1024 / 1024;
  return static_cast<long>(value * factor);
}

void capacity(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  const Site& site = input.site;
  if (input.target == Target::kExternal || !site.dynflow) return;
  const Layout& layout = site.layout;
  constexpr long kFilesOfAJob = 3;
  constexpr long kFilesOfTheProxy = 1024;
  const long jobs = static_cast<long>(site.dynflow->runner_limits.max_running);
  const auto files = site.proxy_unit.main_pid == 0 ? std::nullopt : number_in(layout, fmt::format("/proc/{}/limits", site.proxy_unit.main_pid), "Max open files");
  if (files && *files < jobs * kFilesOfAJob + kFilesOfTheProxy) {
    add(check, findings, fmt::format("the proxy may open {} files; {} jobs at once take up to {}", *files, jobs, jobs * kFilesOfAJob + kFilesOfTheProxy),
        "LimitNOFILE=1000000 in a drop-in of foreman-proxy, or a lower :max_running_runners: in dynflow.yml");
  }
  // WEBrick took 100 connections in each of the two processes; hosts that report to the core service came through the proxy before, too.
  constexpr std::size_t kBothBefore = 200;
  if (site.global && site.global->connection_limits.total < kBothBefore) {
    add(check, findings, fmt::format("{}: :max_connections: {}: the Ruby proxy and its core service took 100 each", site_path(layout, site.global->values.place("max_connections")),
                                     site.global->connection_limits.total), "raise it, or remove the line: the default is 8192");
  }
  // What the core service holds now has to fit beside what the proxy holds.
  const auto used = site.sidecar_unit.main_pid == 0 ? std::nullopt : number_in(layout, fmt::format("/proc/{}/status", site.sidecar_unit.main_pid), "VmRSS:");
  if (!used) return;
  const long needed = *used / 1024;
  const auto available = number_in(layout, "/proc/meminfo", "MemAvailable:");
  if (available && *available / 1024 < needed) {
    add(check, findings, fmt::format("the core service holds {} MiB, and {} MiB are left for the proxy to do its work during a hand-over", needed, *available / 1024),
        "make room, or apply --drain SECONDS instead of a hand-over");
  }
  const auto own = site.proxy_unit.main_pid == 0 ? std::nullopt : number_in(layout, fmt::format("/proc/{}/status", site.proxy_unit.main_pid), "VmRSS:");
  const auto drop_ins = site.drop_ins.find(kProxyUnit);
  if (drop_ins == site.drop_ins.end()) return;
  for (const std::string& line : drop_ins->second) {
    const auto at = line.find(": Memory");
    if (at == std::string::npos || (line.find("MemoryMax=") == std::string::npos && line.find("MemoryLimit=") == std::string::npos)) continue;
    const auto limit = mebibytes(line.substr(line.find('=') + 1));
    const long both = needed + own.value_or(0) / 1024;
    if (limit && *limit < both) add(check, findings, fmt::format("{}: proxy and core service hold {} MiB together", line, both), fmt::format("raise it: systemctl edit {}", kProxyUnit));
  }
}

// "true" of "  external_core: 'true'  # why".
std::string answer_of(const std::string& line, std::string_view key) {
  std::string text = line.substr(line.find(key) + key.size());
  text = text.substr(0, text.find(" #"));
  std::erase_if(text, [](unsigned char letter) { return std::isspace(letter) != 0 || letter == '"' || letter == '\''; });
  return text;
}

void answers_agree(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  const std::string wrong = input.target == Target::kExternal ? "false" : "true";
  constexpr std::string_view kAnswer = "external_core:";
  for (const char* folder : {"/etc/foreman-installer/scenarios.d", "/etc/foreman-installer/custom-hiera.d", "/etc/foreman-installer"}) {
    for (const std::string& path : files_in(input.site.layout, folder)) {
      if (!path.ends_with(".yaml") && !path.ends_with(".yml")) continue;  // copies of former answers
      for (const std::string& line : lines_with(input.site.layout, path, kAnswer)) {
        if (line.find(": #") == std::string::npos && answer_of(line, kAnswer) == wrong) add(check, findings, line, "foreman-installer --reset-foreman-proxy-plugin-dynflow-external-core; its next run would turn the change back");
      }
    }
  }
}

// The packages of the time of the core service; from the merge on nothing of theirs is needed.
constexpr std::array<std::string_view, 7> kCoreGems = {"smart_proxy_dynflow_core", "foreman_remote_execution_core", "foreman_ansible_core", "foreman_tasks_core",
                                                       "smart_proxy_salt_core", "smart_proxy_acd_core", "foreman_probing_core"};

// Plugins whose first version of the merged line is known (theforeman/foreman-packaging, Foreman 2.5 against 3.0).
struct MergedLine {
  std::string_view gem;
  std::string_view first;
};
constexpr std::array kMergedLines = {MergedLine{"smart_proxy_dynflow", "0.4"}, MergedLine{"smart_proxy_remote_execution_ssh", "0.4"}, MergedLine{"smart_proxy_ansible", "3.2"}};

bool is_core_gem(const std::string& gem) { return std::find(kCoreGems.begin(), kCoreGems.end(), gem) != kCoreGems.end(); }

std::string removal_of(const Site& site, const std::string& package) { return fmt::format("{} remove {}", site.is_red_hat ? "dnf" : "apt-get", package); }

void one_line_of_plugins(const Check& check, const Site& site, const std::vector<Package>& packages, std::vector<Finding>& findings) {
  std::vector<std::string> old_line;
  std::vector<std::string> merged;
  for (const Package& package : packages) {
    for (const MergedLine& line : kMergedLines) {
      if (package.gem != line.gem || package.version.empty()) continue;
      (compare_versions(package.version, line.first) < 0 ? old_line : merged).push_back(fmt::format("{} {}", package.name, package.version));
    }
  }
  if (old_line.empty() || merged.empty()) return;
  add(check, findings, fmt::format("{} want a core service, {} come without one", fmt::join(old_line, ", "), fmt::join(merged, ", ")),
      fmt::format("update them together: {} {}", site.is_red_hat ? "dnf update" : "apt-get install", fmt::join(old_line, " ")));
}

void packages_fit(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  const auto packages = installed_packages(input.site.layout);
  if (!packages) {
    findings.push_back({check.id, Severity::kWarning, fmt::format("what is installed is not known: {}", packages.error().message()), check.why, "run it where rpm is"});
    return;
  }
  one_line_of_plugins(check, input.site, *packages, findings);
  if (input.target == Target::kExternal) return;
  // Of a site in P1 they are there, and the way back needs them; what is merged has to be without.
  const auto tell = [&](std::string seen, std::string mend) {
    findings.push_back({check.id, input.target == Target::kMerged ? check.severity : Severity::kWarning, std::move(seen), check.why, std::move(mend)});
  };
  for (const Package& package : *packages) {
    if (is_core_gem(package.gem)) {
      tell(fmt::format("{} {} is installed", package.name, package.version), removal_of(input.site, package.name) + "  # after the change");
    }
    for (const Dependency& need : package.needs) {
      const std::string gem = gem_of(need.name);
      const bool is_ours = is_core_gem(gem) || std::any_of(kMergedLines.begin(), kMergedLines.end(), [&](const MergedLine& line) { return line.gem == gem; });
      const bool is_bound = need.relation == "<<" || need.relation == "<" || need.relation == "<=" || need.relation == "=";
      if (!is_ours || !is_bound) continue;
      tell(fmt::format("{} needs {} {} {}", package.name, need.name, need.relation, need.version), fmt::format("update {0}, or {1}", package.name, removal_of(input.site, package.name)));
    }
  }
}

void selinux(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  if (input.target == Target::kExternal) return;
  const auto mode = read_file(input.site.layout.real("/sys/fs/selinux/enforce"));
  if (!mode.ok() || !mode->starts_with('1')) return;
  add(check, findings, "SELinux enforces: jobs run in the domain of the proxy from then on", "setsebool -P foreman_proxy_can_network_connect on; ausearch -m avc -c smart-proxy");
}

void clock_and_names_agree(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  constexpr std::chrono::seconds kTolerated{5};
  if (input.foreman_lead && std::chrono::abs(*input.foreman_lead) > kTolerated) {
    const double seconds = to_seconds(*input.foreman_lead);
    add(check, findings, fmt::format("Foreman's clock is {:.0f} s {} this host's", std::abs(seconds), seconds > 0 ? "ahead of" : "behind"), "chronyc tracking; chronyc makestep");
  }
  if (!input.foreman_problem.empty()) add(check, findings, fmt::format("Foreman's clock is not known: {}", input.foreman_problem), "chronyc tracking, here and there");
  if (!input.site.layout.is_live()) return;
  const std::string name = own_host_name();
  if (name.find('.') == std::string::npos) {
    add(check, findings, fmt::format("this host calls itself {}, without a domain: certificates and :core_url: carry whole names", name), "hostnamectl set-hostname NAME.DOMAIN");
  }
  if (!input.site.global || !input.site.global->trusted_hosts) return;
  const auto& hosts = *input.site.global->trusted_hosts;
  if (std::find(hosts.begin(), hosts.end(), name) != hosts.end()) return;
  add(check, findings, fmt::format("this host calls itself {}, which is not among :trusted_hosts:", name),
      "add it, or this program and the proxy itself are refused: " + input.site.settings_file);
}

void polls_of_foreman(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  if (input.jobs.value_or(0) == 0) return;
  add(check, findings, "when Foreman polls next is not known", "apply --hand-over: the proxy answers for both sides, without a restart");
}

// A rollback after the package was removed has to install it again.
void old_package_is_there(const Check& check, const Site& site, std::vector<Finding>& findings) {
  for (const char* folder : {"/usr/lib/systemd/system", "/lib/systemd/system"}) {
    const std::string package = owner_of(site.layout, fmt::format("{}/{}.service", folder, kSidecarUnit));
    if (package.empty()) continue;
    const auto found = is_in_a_repository(site.layout, package);
    if (!found) {
      findings.push_back({check.id, Severity::kWarning, fmt::format("whether {} could be installed again cannot be told", package), check.why, "keep its package file"});
    } else if (!*found) {
      add(check, findings, fmt::format("no repository has {}: once removed it cannot be installed again", package), "keep its package file, or a repository that has it");
    }
    return;
  }
}

void rollback_is_possible(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  const fs::path folder = input.site.layout.real(input.site.state_directory());
  std::error_code ignored;
  if (!input.site.layout.has_programs()) return;
  if (!fs::is_directory(folder, ignored) || access(folder.c_str(), W_OK) != 0) {
    add(check, findings, fmt::format("{} cannot be written: no snapshot", input.site.state_directory()), "run as root, or make the folder");
  }
  old_package_is_there(check, input.site, findings);
  const auto space = fs::space(folder, ignored);
  if (!ignored && space.available < 16U * 1024 * 1024) add(check, findings, fmt::format("{} has less than 16 MiB left", input.site.state_directory()), "make room");
}

}  // namespace

std::vector<Check> host_checks() {
  return {
      {"C06", Severity::kError, "certificates fit", "the peer ends the connection", certificates, Needs::kPrograms},
      {"C08", Severity::kError, "the core service's port is its own", "the relay would talk to something else", port_is_right, Needs::kHost},
      {"C12", Severity::kError, "no job runs, or the hand-over keeps them", "a plain switch loses every running job", no_jobs_run, Needs::kProxy},
      {"C13", Severity::kWarning, "no jobs that report by themselves", "their tokens are known to the side that launched them only", no_detached_jobs},
      {"C14", Severity::kWarning, "logrotate, monitoring and firewall name the right unit", "they go blind, or signal the children of jobs", nobody_names_the_sidecar},
      {"C15", Severity::kWarning, "the proxy has room for the jobs", "one process carries both from then on", capacity, Needs::kPrograms},
      {"C16", Severity::kError, "installer answers agree", "the next run of the installer turns the change back", answers_agree},
      {"C17", Severity::kError, "the packages are of one line", "upper bounds hold back updates, and plugins of two lines do not fit together", packages_fit, Needs::kPrograms},
      {"C18", Severity::kWarning, "SELinux lets the proxy run jobs", "its domain was made for a proxy without jobs", selinux, Needs::kHost},
      {"C20", Severity::kWarning, "clock and names agree", "output is ordered by its time, and a host that is not trusted is refused", clock_and_names_agree, Needs::kHost},
      {"C21", Severity::kWarning, "Foreman's polls are answered", "a task that is not answered for is taken for gone", polls_of_foreman, Needs::kProxy},
      {"C22", Severity::kError, "a way back exists", "without a snapshot there is no rollback", rollback_is_possible, Needs::kPrograms},
  };
}

}  // namespace dynflow::migration
