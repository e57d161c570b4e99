#include "migration/rehearse/throwaway_sshd.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace dynflow::migration {

namespace fs = std::filesystem;

namespace {

constexpr const char* kRunFolder = "/run/sshd";  // sshd of root changes into it and refuses to start without

Result<fs::path> make_key(const fs::path& tool, const fs::path& path, const Interrupt& interrupt) {
  auto made = run_program({tool, "-q", "-t", "ed25519", "-N", "", "-C", "rehearse", "-f", path}, interrupt);
  if (!made) return made.error();
  return path;
}

// Without PAM sshd refuses accounts whose password is locked, as root's is in many images.
bool account_is_locked(const std::string& user) {
  std::ifstream file("/etc/shadow");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(user + ":!")) return true;
  }
  return false;
}

std::string configuration(const fs::path& folder, std::uint16_t port, bool use_pam) {
  return fmt::format(
      "ListenAddress 127.0.0.1:{1}\n"
      "HostKey {0}/host_key\n"
      "PidFile none\n"
      "AuthorizedKeysFile {0}/client_key.pub\n"
      "UsePAM {2}\n"
      "PasswordAuthentication no\n"
      "KbdInteractiveAuthentication no\n"
      "PermitRootLogin yes\n"
      "StrictModes no\n"
      "MaxStartups 4096:30:8192\n"
      "UseDNS no\n"
      "PrintMotd no\n"
      "PrintLastLog no\n"
      "LogLevel ERROR\n"
      // Nobody's start files are run for a rehearsal.
      "SetEnv HOME={0}\n"
      "Subsystem sftp internal-sftp\n",
      folder.string(), port, use_pam ? "yes" : "no");
}

}  // namespace

Result<std::unique_ptr<ThrowawaySshd>> ThrowawaySshd::start(const fs::path& folder, const Interrupt& interrupt) {
  const auto program = find_program("sshd");
  if (!program) return program.error();
  const auto key_tool = find_program("ssh-keygen");
  if (!key_tool) return key_tool.error();
  const passwd* user = ::getpwuid(::getuid());
  if (user == nullptr) return Error(Code::kFailed, fmt::format("user {} has no name", ::getuid()));

  std::unique_ptr<ThrowawaySshd> sshd(new ThrowawaySshd);
  sshd->user_ = user->pw_name;
  if (auto key = make_key(*key_tool, folder / "host_key", interrupt); !key) return key.error();
  auto client_key = make_key(*key_tool, folder / "client_key", interrupt);
  if (!client_key) return client_key.error();
  sshd->client_key_ = *client_key;
  const auto ports = free_ports(1);
  if (!ports) return ports.error();
  sshd->port_ = ports->front();
  bool use_pam = false;
  if (::getuid() == 0) {
    use_pam = account_is_locked(sshd->user_);
    sshd->made_run_folder_ = ::mkdir(kRunFolder, 0755) == 0;
  }
  const fs::path file = folder / "sshd_config";
  if (Status written = write_file(file, configuration(folder, sshd->port_, use_pam)); !written.ok()) return written.error();

  process::SpawnOptions options;
  const fs::path log = folder / "sshd.log";
  options.argv = {*program, "-D", "-E", log, "-f", file};
  options.environment = process::clean_environment();
  auto server = Server::start("sshd", std::move(options), sshd->port_, log, interrupt);
  if (!server) return server.error();
  sshd->server_ = std::make_unique<Server>(std::move(*server));
  return sshd;
}

ThrowawaySshd::~ThrowawaySshd() {
  server_.reset();
  if (made_run_folder_) ::rmdir(kRunFolder);
}

}  // namespace dynflow::migration
