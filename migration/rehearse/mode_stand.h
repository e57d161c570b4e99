// The programs of one mode, running in a playground: smart-proxy alone, or with the core service behind its relay; or the Ruby pair.
//
// Threads: start and end from one thread; the rest from any.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "migration/rehearse/measures.h"
#include "migration/rehearse/playground.h"
#include "migration/rehearse/ruby_pair.h"
#include "migration/rehearse/site_settings.h"
#include "migration/rehearse/throwaway_tls.h"
#include "shared/http/client.h"

namespace dynflow::migration {

enum class Mode { kInProcess, kExternal, kRuby };
std::string_view to_string(Mode mode);  // "in-process", "external", "Ruby pair"

struct StandOptions {
  Mode mode = Mode::kInProcess;
  std::filesystem::path folder;    // exists and is empty
  const SiteSettings* site = nullptr;
  std::string foreman_url;
  std::filesystem::path ssh_key;   // empty: jobs only pretend to run; not with Mode::kRuby
  const RubyPair* ruby = nullptr;  // of Mode::kRuby
  const ThrowawayTls* tls = nullptr;  // null: plain HTTP everywhere
};

struct Answer {
  int status = 0;
  std::string body;
  double milliseconds = 0;
};

class ModeStand {
 public:
  // Returns when the proxy answers. Errors: kNotFound (a program is missing), and those of Server::start.
  static Result<std::unique_ptr<ModeStand>> start(const StandOptions& options, const Interrupt& interrupt);
  // Another proxy in front of the same core service, which it reaches at `core_port`. Mode::kExternal.
  static Result<std::unique_ptr<ModeStand>> start_relay(const StandOptions& options, std::uint16_t core_port, const Interrupt& interrupt);

  // The proxy ends first, so that it never looks for a core that is gone.
  ~ModeStand();

  Mode mode() const { return mode_; }
  std::uint16_t core_port() const { return core_port_; }
  // What its processes have used, in the order of their names. Errors: kNotFound when one of them is gone.
  Result<std::vector<ProcessCost>> costs() const;
  std::vector<std::string> process_names() const;
  // Sends a request as Foreman does and reads the answer whole. Errors: those of http::ClientPool::send.
  Result<Answer> send(std::string_view method, std::string_view target, std::string body, const Interrupt& interrupt);

 private:
  ModeStand() = default;
  static Result<std::unique_ptr<ModeStand>> start_ruby(const StandOptions& options, const Interrupt& interrupt);
  static Result<std::unique_ptr<ModeStand>> in_front(const StandOptions& options, Server proxy, std::uint16_t port, std::uint16_t core_port);
  Mode mode_ = Mode::kInProcess;
  std::uint16_t core_port_ = 0;
  std::vector<Server> servers_;  // the proxy is the last
  std::unique_ptr<http::ClientPool> client_;
};

}  // namespace dynflow::migration
