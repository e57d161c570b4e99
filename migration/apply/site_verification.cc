#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>

#include "migration/apply/verification.h"
#include "migration/site/foreman_peer.h"
#include "migration/site/services.h"
#include "shared/base/clock.h"
#include "shared/base/deadline.h"
#include "shared/base/ids.h"
#include "shared/base/interrupt.h"
#include "shared/base/temporary_folder.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::seconds kPatience{20};
// An action that every core has, without anything to do: a batch of nobody.
constexpr std::string_view kNothingToDo = "Proxy::Dynflow::Action::Batch";

Verdict skipped(std::string what, std::string why) { return {std::move(what), true, std::move(why), false}; }

// A refusal of the proxy itself; anything else is not what was meant to be seen.
Verdict refused(std::string what, const Result<std::string>& answer) {
  if (answer.ok()) return {std::move(what), false, "it was let in"};
  return {std::move(what), answer.error().code() == Code::kForbidden, answer.error().message()};
}

void ask_as_strangers(const Site& site, const GlobalOptions& global, std::vector<Verdict>& verdicts) {
  constexpr const char* kRoute = "/dynflow/tasks/count";
  auto nobody = RunningProxy::find(site, global, ClientIdentity{});
  if (!nobody) return verdicts.push_back({"nobody is let in without a certificate", false, nobody.error().message()});
  verdicts.push_back(refused("nobody is let in without a certificate", (*nobody)->get(kRoute)));
  const std::string task = system_ids().uuid();
  verdicts.push_back(refused("a task's update needs a token or a certificate", (*nobody)->post(fmt::format("/dynflow/tasks/{}/update", task), "{\"step_id\":1}")));
  verdicts.push_back(refused("a token is compared", (*nobody)->post(fmt::format("/dynflow/tasks/{}/done", task), "{\"step_id\":1}", "Basic bm9ib2R5Om5vdGhpbmc=")));

  const std::string what = "a certificate of another authority is refused";
  const auto folder = TemporaryFolder::make("dynflow-verify");
  if (!folder) return verdicts.push_back(skipped(what, folder.error().message()));
  const ClientIdentity stranger{(folder->path() / "stranger.pem").string(), (folder->path() / "stranger.key").string()};
  const auto made = run_program({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=stranger.invalid", "-keyout",
                                 stranger.key_file, "-out", stranger.certificate_file});
  if (!made) return verdicts.push_back(skipped(what, made.error().message()));
  auto other = RunningProxy::find(site, global, stranger);
  if (!other) return verdicts.push_back({what, false, other.error().message()});
  const auto answer = (*other)->get(kRoute);
  // The handshake may be as far as it comes.
  verdicts.push_back({what, !answer.ok(), answer.ok() ? "it was let in" : answer.error().message()});
}

// Tasks are looked at there, and changed: who may not ask the API may not come in either.
void ask_console(const Site& site, const GlobalOptions& global, RunningProxy& proxy, std::vector<Verdict>& verdicts) {
  constexpr const char* kConsole = "/dynflow/console";
  const auto page = proxy.get(kConsole);
  verdicts.push_back({"the console answers", page.ok(), page ? "" : page.error().message()});
  const std::string what = "the console is not shown to nobody";
  if (!proxy.url().starts_with("https://")) return verdicts.push_back(skipped(what, "plain HTTP asks for no certificate: :trusted_hosts: counts"));
  if (site.dynflow && !site.dynflow->console_auth) {
    return verdicts.push_back(skipped(what, fmt::format("{}: :console_auth: is false, whoever reaches it can see and change tasks",
                                                        site_path(site.layout, site.dynflow->module.values.place("console_auth")))));
  }
  auto nobody = RunningProxy::find(site, global, ClientIdentity{});
  verdicts.push_back(nobody.ok() ? refused(what, (*nobody)->get(kConsole)) : Verdict{what, false, nobody.error().message()});
}

// The listener that the proxy was not asked on.
void ask_other_protocol(const Site& site, const GlobalOptions& global, RunningProxy& proxy, std::vector<Verdict>& verdicts) {
  if (!site.global || !site.global->has_https() || !site.global->http_port || !global.proxy_url.empty()) return;
  GlobalOptions plain = global;
  plain.proxy_url = fmt::format("http://127.0.0.1:{}", *site.global->http_port);
  auto other = RunningProxy::find(site, plain);
  const auto answer = other.ok() ? (*other)->get("/version") : Result<std::string>(other.error());
  // It may have reasons not to let this host in.
  const bool is_answered = answer.ok() || answer.error().code() == Code::kForbidden;
  verdicts.push_back({fmt::format("plain HTTP answers beside {}", proxy.url()), is_answered, is_answered ? "" : answer.error().message()});
}

Verdict launch_nothing(RunningProxy& proxy) {
  const std::string what = "a task that does nothing is launched and ends well";
  const auto mode = proxy.mode();
  if (!mode.ok()) return skipped(what, "a Ruby proxy is not given one: " + mode.error().message());
  if (!mode->drained.empty()) return skipped(what, "launches are refused since " + mode->drained);
  const Json launch{{"operation", "single"}, {"options", Json::object()},
                    {"input", {{"action_class", std::string(kNothingToDo)}, {"action_input", {{"input_hash", Json::object()}}}}}};
  const auto answer = proxy.post("/dynflow/tasks/launch", json::dump(launch));
  if (!answer) return {what, false, answer.error().message()};
  const auto document = json::parse(*answer);
  const std::string id = document.ok() && document->is_object() ? json::get_string(*document, "task_id") : "";
  if (id.empty()) return {what, false, "the launch was answered with " + answer->substr(0, 200)};
  const Deadline deadline = Deadline::after(kPatience);
  std::string seen;
  while (true) {
    const auto status = proxy.get(fmt::format("/dynflow/tasks/{}/status", id));
    if (!status) return {what, false, status.error().message()};
    const auto plan = json::parse(*status);
    if (!plan.ok() || !plan->is_object()) return {what, false, "its status is no JSON object"};
    seen = fmt::format("{}, {}", json::get_string(*plan, "state"), json::get_string(*plan, "result"));
    if (seen.starts_with("stopped") || seen.starts_with("paused")) break;
    if (deadline.has_passed() || is_interrupted()) return {what, false, fmt::format("task {} is still {}", id, seen)};
    pause_between_looks();
  }
  return {what, seen == "stopped, success", fmt::format("task {} is {}", id, seen)};
}

Verdict ask_foreman(const Site& site, bool asks) {
  const std::string what = "Foreman takes callbacks from this proxy";
  if (!asks) return skipped(what, "--no-foreman");
  const Status answered = try_callback(site);
  return {what, answered.ok(), answered ? "" : answered.error().message()};
}

bool has_open(long pid, const fs::path& file) {
  struct stat wanted {};
  if (stat(file.c_str(), &wanted) != 0) return false;
  std::error_code failure;
  for (fs::directory_iterator entry(fmt::format("/proc/{}/fd", pid), failure), end; !failure && entry != end; entry.increment(failure)) {
    struct stat about {};
    if (stat(entry->path().c_str(), &about) == 0 && about.st_dev == wanted.st_dev && about.st_ino == wanted.st_ino) return true;
  }
  return false;
}

// As logrotate would do it, without moving anything: after the signal the process has the file of that name open.
Verdict reopen_log(const Site& site) {
  const std::string what = "the log is opened anew on USR1";
  const long pid = site.proxy_unit.main_pid;
  if (pid == 0 || !site.global) return skipped(what, "the proxy's process is not known to the service manager");
  const fs::path file = site.layout.real(site.global->log_file);
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return skipped(what, fmt::format("{} is no file", site.global->log_file));
  if (kill(static_cast<pid_t>(pid), SIGUSR1) != 0) return skipped(what, "this needs the rights to signal the proxy");
  const Deadline deadline = Deadline::after(kPatience);
  while (!has_open(pid, file)) {
    if (deadline.has_passed() || is_interrupted()) return {what, false, fmt::format("process {} does not have {} open", pid, site.global->log_file)};
    pause_between_looks();
  }
  return {what, true, ""};
}

}  // namespace

std::vector<Verdict> verify_site(const Site& site, const GlobalOptions& global, RunningProxy& proxy, bool is_external, const VerifyOptions& options) {
  std::vector<Verdict> verdicts = verify_proxy(proxy, is_external);
  ask_other_protocol(site, global, proxy, verdicts);
  if (proxy.url().starts_with("https://")) {
    ask_as_strangers(site, global, verdicts);
  } else {
    verdicts.push_back(skipped("nobody is let in without a certificate", "plain HTTP asks for none: :trusted_hosts: counts"));
  }
  ask_console(site, global, proxy, verdicts);
  verdicts.push_back(options.launches ? launch_nothing(proxy) : skipped("a task that does nothing is launched and ends well", "--no-launch"));
  verdicts.push_back(ask_foreman(site, options.asks_foreman));
  verdicts.push_back(reopen_log(site));
  return verdicts;
}

}  // namespace dynflow::migration
