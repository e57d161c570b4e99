// An sshd on a free loopback port, with keys and a configuration of its own: the host that jobs are run on.
//
// Threads: one owner.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "migration/rehearse/playground.h"
#include "shared/base/result.h"

namespace dynflow::migration {

class ThrowawaySshd {
 public:
  // `folder` exists and is empty. Jobs run as the user of this process, who is let in by `client_key` only.
  // Errors: kNotFound (no sshd or no ssh-keygen), and those of Server::start.
  static Result<std::unique_ptr<ThrowawaySshd>> start(const std::filesystem::path& folder, const Interrupt& interrupt);
  ~ThrowawaySshd();

  std::uint16_t port() const { return port_; }
  const std::string& user() const { return user_; }
  const std::filesystem::path& client_key() const { return client_key_; }

 private:
  ThrowawaySshd() = default;
  std::uint16_t port_ = 0;
  std::string user_;
  std::filesystem::path client_key_;
  bool made_run_folder_ = false;
  std::unique_ptr<Server> server_;
};

}  // namespace dynflow::migration
