// A core service that is to run empty: it takes no launches, and does not count its tasks towards Foreman, which therefore chooses others.
//
//   GET  /drain   {"drained": null or {"since","reason"}}
//   POST /drain   {"action":"drain"} or {"action":"undrain"}; answers with the document
//
// It is remembered in a file beside the database, so that a restart does not take launches again; a core service without a database file
// forgets it. The proxy of this program has a drain of its own (docs/modes.md); this one is for a Ruby proxy in front of it.
//
// Threads: all methods from any thread. One order at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/result.h"
#include "shared/http/message.h"
#include "shared/http/router.h"

namespace dynflow::core_service {

class Drain {
 public:
  // Which of these ids the core knows. Errors: it cannot tell.
  using Knows = std::function<Result<std::size_t>(const std::vector<std::string>& ids)>;

  // `file`: where it is remembered; empty: nowhere.
  explicit Drain(std::filesystem::path file, const Clock& clock = system_clock());
  // Takes up what was remembered. A file that cannot be read counts as a drain: launches are not taken by accident.
  void load();

  // Its own route.
  static bool is_own(std::string_view path) { return path == "/drain"; }
  http::Response handle(http::Request& request);

  // Drained, and this is a launch or a count.
  bool concerns(const http::Request& request, std::string_view path) const;
  // What a drained core answers to these; null: the request goes on to the core. A launch that is sent again goes on, too: the
  // core starts nothing twice. The body of the request is read and put back for that.
  std::unique_ptr<http::Response> refusal(http::Request& request, std::string_view path, const Knows& knows) const;
  bool is_drained() const;

 private:
  struct State {
    Time since{};
    std::string reason;
  };
  Status remember(const std::optional<State>& state) const;
  Result<bool> set(bool is_drained, std::string reason);
  http::Response document() const;

  const std::filesystem::path file_;
  const Clock& clock_;
  http::Router launches_;
  http::Router counts_;
  std::mutex orders_;  // held while the file is written
  mutable std::mutex mutex_;
  std::optional<State> state_;  // guarded by mutex_
};

}  // namespace dynflow::core_service
