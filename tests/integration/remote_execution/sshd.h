// A real sshd on loopback with keys, a home directory and users of its own; one for the whole test program.
//
// Threads: the test's thread.
#pragma once

#include <cstdint>
#include <string>

#include "shared/executors/remote_execution/script_runner.h"

namespace dynflow::remote_execution_test {

class Sshd {
 public:
  // Started at the first use, stopped at the end of the program.
  static Sshd& get();

  std::uint16_t port() const { return port_; }
  const std::string& directory() const { return directory_; }
  std::string file(const std::string& name) const { return directory_ + "/" + name; }
  // $HOME of the test program: known_hosts is below it.
  std::string known_hosts() const { return directory_ + "/home/.ssh/known_hosts"; }
  // Whether the throw-away users below exist: only as root.
  bool has_users() const { return has_users_; }
  // Logs in with the key and a password; may use sudo with the password.
  static constexpr const char* kUser = "rexlogin";
  static constexpr const char* kUserPassword = "log-in s3cret";
  // Another one, for changes of user; may use sudo without a password.
  static constexpr const char* kOther = "rexother";
  static constexpr const char* kOtherPassword = "an0ther secret";

  // Kills the processes that serve connections, as a crash of the host's sshd does.
  void cut_connections() const;

  // Runs `true`-like jobs as the user the tests run as, with everything at its default.
  remote_execution::ScriptJob job(const std::string& script) const;
  // The directory jobs work in; empty when all of them have cleaned up.
  std::string work_directory() const { return directory_ + "/work"; }

  ~Sshd();
  Sshd(const Sshd&) = delete;
  Sshd& operator=(const Sshd&) = delete;

 private:
  Sshd();
  void make_keys() const;
  void make_users();
  void start();

  std::string directory_;
  std::uint16_t port_ = 0;
  int pid_ = -1;
  bool has_users_ = false;
};

// Runs a command; false when it failed.
bool shell(const std::string& command);
// Its standard output.
std::string shell_output(const std::string& command);
std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& text);

}  // namespace dynflow::remote_execution_test
