// The proxy that runs: its mode and hand-over through /dynflow/mode (docs/modes.md).
//
// Threads: one at a time; calls block up to 30 seconds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "migration/command.h"
#include "migration/site/site.h"
#include "shared/base/clock.h"
#include "shared/base/result.h"
#include "shared/json/json_fwd.h"
#include "shared/http/client.h"

namespace dynflow::migration {

struct ModeReport {
  std::string state;        // "in-process", "external", "hand-over to ..."
  std::int64_t own = -1;    // unfinished tasks and undelivered callbacks; -1: cannot be asked
  std::int64_t other = -1;
  // Of the sides that count in this state, with launches under way; nothing when one of them cannot be asked.
  std::optional<std::int64_t> unfinished;
  std::vector<std::string> task_ids;  // some of the unfinished ones
  std::string drained;      // since when and why launches are refused; empty: they are taken
  std::string last_error;   // of the core service; empty: none
  std::string callback_error;  // why callbacks wait, with the side; empty: none has failed
  std::string document;     // as the proxy said it
};

// Another try may succeed: the proxy restarts, or something else is under way.
bool is_transient(Code code);

// How often a proxy is asked about its tasks. A Ruby core loads all that it has stored to count them, and with SQLite its jobs wait meanwhile: who
// asks it all the time waits for himself. So it is asked a fifth of the time at most.
class Pace {
 public:
  // A question begins now.
  void begin() { began_ = system_clock().instant(); }
  // Half a second, or four times as long as the answer took, ten seconds at most; or until an interrupt.
  void pause() const;

 private:
  Instant began_ = system_clock().instant();
};

struct ClientIdentity {
  std::string certificate_file;  // empty: none is shown
  std::string key_file;
};

class RunningProxy {
 public:
  // By --proxy-url or the settings, with the proxy's own certificate, or that of `stranger`. Errors: kInvalid: no address, certificates that
  // cannot be read.
  static Result<std::unique_ptr<RunningProxy>> find(const Site& site, const GlobalOptions& options, const std::optional<ClientIdentity>& stranger = std::nullopt);

  // The core service itself, by :core_url:, with the certificate that the proxy shows it. Only get() and post() mean something there.
  static Result<std::unique_ptr<RunningProxy>> find_core(const Site& site);

  // Errors: kUnavailable and others of the connection; kNotFound for a proxy that has no such route (the Ruby one);
  // kForbidden; kConflict and kBusy with the proxy's words.
  Result<ModeReport> mode();
  Result<ModeReport> begin(bool is_external, bool is_forced);
  Result<ModeReport> finish(bool is_forced);
  // Refuses launches from now on, or takes them again.
  Result<ModeReport> drain(bool is_drained);
  // Unfinished tasks of the sides that count; of a proxy without modes the running ones.
  Result<std::int64_t> running_tasks();
  // Running tasks as Foreman counts them: what takes launches, none while it is drained.
  Result<std::int64_t> counted_tasks();
  Status cancel(const std::string& task_id);
  // What can be launched: "ssh", "single".
  Result<std::vector<std::string>> operations();
  Result<std::string> get(const std::string& path);
  // `authorization`: the header of that name; empty: none.
  Result<std::string> post(const std::string& path, const std::string& body, const std::string& authorization = {});
  const std::string& url() const { return url_; }

 private:
  RunningProxy(std::string url, http::ClientOptions options) : url_(std::move(url)), client_(std::move(options)) {}
  Result<std::string> ask(std::string_view method, const std::string& path, const std::string& body, const std::string& authorization = {});
  Result<ModeReport> order(const Json& order);

  std::string url_;
  http::ClientPool client_;
};

}  // namespace dynflow::migration
