#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include "migration/check/certificates.h"
#include "migration/check/checks.h"
#include "migration/check/listeners.h"
#include "shared/base/file.h"

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
  const auto owner = listener_on(site.sidecar->port);
  if (!owner || site.sidecar_unit.main_pid == 0 || owner->pid == 0 || owner->pid == site.sidecar_unit.main_pid) {
    if (owner && site.sidecar_unit.is_known && !site.sidecar_unit.is_active) {
      add(check, findings, fmt::format("port {} is taken by {} while the core service does not run", site.sidecar->port, owner->name), fmt::format("ss -ltnp 'sport = :{}'", site.sidecar->port));
    }
    return;
  }
  add(check, findings, fmt::format("port {} belongs to {} (pid {}), not to the core service", site.sidecar->port, owner->name, owner->pid), fmt::format("ss -ltnp 'sport = :{}'", site.sidecar->port));
}

void no_jobs_run(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  if (input.jobs.value_or(0) > 0) add(check, findings, fmt::format("{} jobs run", *input.jobs), "apply --hand-over keeps them; --drain SECONDS waits for them");
}

void no_detached_jobs(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  const std::string path = fs::path(input.site.dynflow_file).parent_path() / "remote_execution_ssh.yml";
  for (const std::string_view mode : {":mode: ssh-async", ":mode: :ssh-async", ":async_ssh: true", ":mode: pull", ":mode: :pull"}) {
    for (const std::string& line : lines_with(input.site.layout, path, mode)) {
      if (line.find(": #") == std::string::npos) add(check, findings, line, "their tokens are known to the old side only: apply --hand-over asks it");
    }
  }
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
  for (const char* folder : {"/etc/logrotate.d", "/etc/nagios/nrpe.d", "/etc/monit.d", "/etc/cron.d", "/etc/firewalld/services", "/etc/ufw/applications.d"}) {
    for (const std::string& path : files_in(layout, folder)) {
      for (const std::string& line : lines_with(layout, path, kSidecarUnit)) add(check, findings, line, "point it to foreman-proxy after the change");
    }
  }
}

void capacity(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  if (input.target == Target::kExternal || !input.site.layout.is_live() || input.site.proxy_unit.main_pid == 0) return;
  std::ifstream limits(fmt::format("/proc/{}/limits", input.site.proxy_unit.main_pid));
  std::string line;
  while (std::getline(limits, line)) {
    if (!line.starts_with("Max open files")) continue;
    const long soft = std::atol(line.substr(std::string_view("Max open files").size()).c_str());
    if (soft > 0 && soft < 65536) add(check, findings, fmt::format("the proxy may open {} files; a job takes up to three", soft), "LimitNOFILE=1000000 in a drop-in of foreman-proxy");
  }
}

void answers_agree(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  const std::string wrong = input.target == Target::kExternal ? "false" : "true";
  for (const char* folder : {"/etc/foreman-installer/scenarios.d", "/etc/foreman-installer/custom-hiera.d", "/etc/foreman-installer"}) {
    for (const std::string& path : files_in(input.site.layout, folder)) {
      for (const std::string& line : lines_with(input.site.layout, path, "external_core:")) {
        if (line.ends_with(" " + wrong)) add(check, findings, line, "foreman-installer --reset-foreman-proxy-plugin-dynflow-external-core; its next run would turn the change back");
      }
    }
  }
}

void packages_fit(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  if (input.target == Target::kExternal) return;
  // Debian's list; rpm's database has no text form, there the packages say it themselves when they are updated.
  for (const std::string_view name : {"ruby-smart-proxy-dynflow-core", "ruby-foreman-remote-execution-core", "ruby-foreman-ansible-core", "ruby-foreman-tasks-core"}) {
    for (const std::string& line : lines_with(input.site.layout, "/var/lib/dpkg/status", fmt::format("Package: {}", name))) {
      add(check, findings, line, fmt::format("apt-get remove {}  # after the change: its upper bounds hold back updates", name));
    }
  }
}

void selinux(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  if (input.target == Target::kExternal) return;
  const auto mode = read_file(input.site.layout.real("/sys/fs/selinux/enforce"));
  if (!mode.ok() || !mode->starts_with('1')) return;
  add(check, findings, "SELinux enforces: jobs run in the domain of the proxy from then on", "setsebool -P foreman_proxy_can_network_connect on; ausearch -m avc -c smart-proxy");
}

void names_agree(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  if (!input.site.layout.is_live() || !input.site.global || !input.site.global->trusted_hosts) return;
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return;
  for (const std::string& host : *input.site.global->trusted_hosts) {
    if (host == name.data()) return;
  }
  add(check, findings, fmt::format("this host calls itself {}, which is not among :trusted_hosts:", name.data()),
      "add it, or this program and the proxy itself are refused: " + input.site.settings_file);
}

void polls_of_foreman(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  if (input.jobs.value_or(0) == 0) return;
  add(check, findings, "when Foreman polls next is not known", "apply --hand-over: the proxy answers for both sides, without a restart");
}

void rollback_is_possible(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  const fs::path folder = input.site.layout.real(input.site.state_directory());
  std::error_code ignored;
  if (!input.site.layout.has_programs()) return;
  if (!fs::is_directory(folder, ignored) || access(folder.c_str(), W_OK) != 0) {
    add(check, findings, fmt::format("{} cannot be written: no snapshot", input.site.state_directory()), "run as root, or make the folder");
  }
  const auto space = fs::space(folder, ignored);
  if (!ignored && space.available < 16U * 1024 * 1024) add(check, findings, fmt::format("{} has less than 16 MiB left", input.site.state_directory()), "make room");
}

}  // namespace

std::vector<Check> host_checks() {
  return {
      {"C06", Severity::kError, "certificates fit", "the peer ends the connection", certificates},
      {"C08", Severity::kError, "the core service's port is its own", "the relay would talk to something else", port_is_right},
      {"C12", Severity::kError, "no job runs, or the hand-over keeps them", "a plain switch loses every running job", no_jobs_run},
      {"C13", Severity::kWarning, "no jobs that report by themselves", "their tokens are known to the side that launched them only", no_detached_jobs},
      {"C14", Severity::kWarning, "logrotate, monitoring and firewall name the right unit", "they go blind, or signal the children of jobs", nobody_names_the_sidecar},
      {"C15", Severity::kWarning, "the proxy has room for the jobs", "one process carries both from then on", capacity},
      {"C16", Severity::kError, "installer answers agree", "the next run of the installer turns the change back", answers_agree},
      {"C17", Severity::kError, "no packages of the old line are left", "upper bounds hold back updates", packages_fit},
      {"C18", Severity::kWarning, "SELinux lets the proxy run jobs", "its domain was made for a proxy without jobs", selinux},
      {"C20", Severity::kWarning, "this host's name is trusted", "the proxy refuses its own host", names_agree},
      {"C21", Severity::kWarning, "Foreman's polls are answered", "a task that is not answered for is taken for gone", polls_of_foreman},
      {"C22", Severity::kError, "a way back exists", "without a snapshot there is no rollback", rollback_is_possible},
  };
}

}  // namespace dynflow::migration
