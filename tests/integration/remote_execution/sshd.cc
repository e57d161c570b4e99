#include "tests/integration/remote_execution/sshd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "shared/base/fd.h"
#include "shared/base/ids.h"

namespace dynflow::remote_execution_test {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

std::uint16_t free_port() {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no free port");
  }
  return ntohs(address.sin_port);
}

bool answers(std::uint16_t port) {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

void must(const std::string& command) {
  if (!shell(command)) throw std::runtime_error("failed: " + command);
}

}  // namespace

bool shell(const std::string& command) { return std::system(command.c_str()) == 0; }

std::string shell_output(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen");
  std::string text;
  char buffer[4096];
  while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, got);
  ::pclose(pipe);
  return text;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
}

Sshd& Sshd::get() {
  static Sshd sshd;
  return sshd;
}

Sshd::Sshd() {
  char name[] = "/tmp/rex-test-XXXXXX";
  if (::mkdtemp(name) == nullptr) throw std::runtime_error("mkdtemp");
  directory_ = name;
  ::chmod(name, 0755);
  for (const char* each : {"home", "home/.ssh", "work"}) ::mkdir(file(each).c_str(), 0700);
  ::chmod(work_directory().c_str(), 01777);
  ::setenv("HOME", file("home").c_str(), 1);
  make_keys();
  if (::geteuid() == 0) make_users();
  start();
}

void Sshd::make_keys() const {
  const auto generate = [&](const std::string& key, const std::string& options) {
    must(fmt::format("ssh-keygen -q -N '' {} -f {}", options, file(key)));
  };
  generate("host", "-t ed25519");
  generate("id", "-t ed25519");
  generate("id_rsa", "-t rsa -b 2048");
  generate("id_ca", "-t ed25519");
  generate("id_certified", "-t ed25519");
  generate("id_stranger", "-t ed25519");
  must(fmt::format("ssh-keygen -q -t rsa -b 2048 -N 'open sesame' -f {}", file("id_locked")));
  must(fmt::format("ssh-keygen -q -s {} -I test -n $(id -un) {}.pub", file("id_ca"), file("id_certified")));
  must(fmt::format("cat {0}/id.pub {0}/id_rsa.pub {0}/id_locked.pub > {0}/authorized_keys", directory_));
}

void Sshd::make_users() {
  const auto make = [](const std::string& user, const std::string& password) {
    return shell(fmt::format("userdel -r {0} >/dev/null 2>&1; useradd -m -s /bin/sh {0} && echo '{0}:{1}' | chpasswd", user,
                             password));
  };
  if (!make(kUser, kUserPassword) || !make(kOther, kOtherPassword)) return;
  has_users_ = true;
  if (shell("test -d /etc/sudoers.d")) {
    write_file("/etc/sudoers.d/rex-test",
               fmt::format("{} ALL=(ALL) ALL\n{} ALL=(ALL) NOPASSWD: ALL\nDefaults passwd_tries=3, lecture=always\n", kUser,
                           kOther));
    ::chmod("/etc/sudoers.d/rex-test", 0440);
  }
}

void Sshd::start() {
  port_ = free_port();
  write_file(file("sshd_config"),
             fmt::format("Port {1}\nListenAddress 127.0.0.1\nHostKey {0}/host\nPidFile none\nUsePAM no\nStrictModes no\n"
                         "PermitRootLogin yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n"
                         "AuthorizedKeysFile {0}/authorized_keys\nTrustedUserCAKeys {0}/id_ca.pub\n"
                         "MaxStartups 1000\nMaxAuthTries 10\nLogLevel ERROR\nUseDNS no\n"
                         // The start files of whoever runs the tests are none of our business.
                         "SetEnv HOME={0}/home\n",
                         directory_, port_));
  if (::geteuid() == 0) ::mkdir("/run/sshd", 0755);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::setsid();
    const std::string config = file("sshd_config");
    const std::string log = file("sshd.log");
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(out, 2);
    ::execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-D", "-e", "-f", config.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  for (int i = 0; i < 500 && !answers(port_); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  if (!answers(port_)) throw std::runtime_error("sshd does not start: " + read_file(file("sshd.log")));
}

Sshd::~Sshd() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  if (has_users_) {
    shell(fmt::format("userdel -r {} >/dev/null 2>&1; userdel -r {} >/dev/null 2>&1; rm -f /etc/sudoers.d/rex-test", kUser,
                      kOther));
  }
  shell("rm -rf " + directory_);
}

void Sshd::cut_connections() const { shell(fmt::format("pkill -KILL -P {} >/dev/null 2>&1", pid_)); }

remote_execution::ScriptJob Sshd::job(const std::string& script) const {
  remote_execution::ScriptJob job;
  job.connection.host = "127.0.0.1";
  job.connection.port = port_;
  job.connection.user = ::getpwuid(::geteuid())->pw_name;
  job.connection.key_file = file("id");
  job.script = script;
  job.directory.base = work_directory();
  job.directory.id = system_ids().uuid();
  job.kill_grace = std::chrono::seconds(1);
  return job;
}

}  // namespace dynflow::remote_execution_test
