#include "migration/site/services.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "shared/base/deadline.h"
#include "shared/process/child.h"

namespace dynflow::migration {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::minutes kLongest{5};
constexpr std::array kUnitFolders = {"/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"};

// Unit files of a tree that nothing runs in.
class UnitFiles final : public Services {
 public:
  explicit UnitFiles(Layout layout) : layout_(std::move(layout)) {}

  Result<UnitState> state(std::string_view unit) override {
    UnitState state;
    state.is_known = layout_.has_programs();
    std::error_code ignored;
    const std::string file = fmt::format("{}.service", unit);
    for (const char* folder : kUnitFolders) {
      const fs::path path = layout_.real(folder) / file;
      if (fs::is_symlink(path, ignored) && fs::read_symlink(path, ignored) == "/dev/null") {
        state.is_masked = true;
      } else if (fs::exists(path, ignored)) {
        state.is_installed = true;
      }
    }
    state.is_enabled = fs::is_symlink(layout_.real("/etc/systemd/system/multi-user.target.wants") / file, ignored);
    return state;
  }
  Status act(std::string_view verb, std::string_view unit) override {
    return Error(Code::kUnavailable, fmt::format("{} {}: nothing runs below {}", verb, unit, layout_.root.string()));
  }
  Status reload() override { return {}; }
  bool can_act() const override { return false; }

 private:
  Layout layout_;
};

class Systemctl final : public Services {
 public:
  explicit Systemctl(std::string program) : program_(std::move(program)) {}

  Result<UnitState> state(std::string_view unit) override {
    const auto text = run_program({program_, "show", "--property=LoadState,ActiveState,UnitFileState,MainPID", fmt::format("{}.service", unit)});
    if (!text) return Error(Code::kUnavailable, text.error().message());
    UnitState state;
    state.is_known = true;
    std::string_view rest = *text;
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      if (line == "LoadState=loaded") state.is_installed = true;
      if (line == "LoadState=masked" || line == "UnitFileState=masked") state.is_masked = true;
      if (line == "ActiveState=active" || line == "ActiveState=reloading" || line == "ActiveState=activating") state.is_active = true;
      if (line == "UnitFileState=enabled") state.is_enabled = true;
      if (line.starts_with("MainPID=")) state.main_pid = std::atol(std::string(line.substr(8)).c_str());
    }
    return state;
  }

  Status act(std::string_view verb, std::string_view unit) override {
    const auto text = run_program({program_, std::string(verb), fmt::format("{}.service", unit)});
    if (!text) return text.error();
    return {};
  }
  Status reload() override {
    const auto text = run_program({program_, "daemon-reload"});
    return text ? Status() : Status(text.error());
  }
  bool can_act() const override { return true; }

 private:
  std::string program_;
};

}  // namespace

std::string UnitState::text() const {
  if (!is_known) return "unknown";
  if (is_masked) return is_active ? "active, masked" : "masked";
  if (!is_installed) return is_active ? "orphan: active without a unit file" : "not-found";
  return fmt::format("{}, {}", is_active ? "active" : "inactive", is_enabled ? "enabled" : "disabled");
}

std::unique_ptr<Services> services_of(const Layout& layout) {
  const char* stand_in = std::getenv("DYNFLOW_MIGRATE_SYSTEMCTL");
  if (stand_in != nullptr && *stand_in != '\0') return std::make_unique<Systemctl>(stand_in);
  std::error_code ignored;
  if (layout.is_live() && fs::is_directory("/run/systemd/system", ignored)) return std::make_unique<Systemctl>("systemctl");
  return std::make_unique<UnitFiles>(layout);
}

Result<std::string> run_program(const std::vector<std::string>& argv) {
  auto child = process::Child::spawn({.argv = argv, .environment = process::clean_environment(), .working_directory = {}, .merge_stderr = true});
  if (!child) return child.error().in(argv[0]);
  const Deadline deadline = Deadline::after(kLongest);
  std::string text;
  std::array<char, 4096> buffer;
  bool is_open = true;
  while (true) {
    std::array<pollfd, 2> waits = {pollfd{child->pidfd(), POLLIN, 0}, pollfd{is_open ? child->stdout_fd().get() : -1, POLLIN, 0}};
    if (poll(waits.data(), waits.size(), 1000) < 0 && errno != EINTR) return Error(Code::kFailed, argv[0] + ": poll failed");
    if (is_open && waits[1].revents != 0) {
      const ssize_t got = read(child->stdout_fd().get(), buffer.data(), buffer.size());
      if (got > 0 && text.size() < 1024 * 1024) text.append(buffer.data(), static_cast<std::size_t>(got));
      if (got > 0) continue;
      if (got == 0) is_open = false;
    }
    // A service that was started may keep the pipe open: the end of the program is what counts.
    if (waits[0].revents != 0) break;
    if (deadline.has_passed()) return Error(Code::kTimeout, fmt::format("{} did not end within five minutes", fmt::join(argv, " ")));
  }
  const auto ending = child->reap();
  if (!ending) return ending.error();
  if (ending->was_signalled || ending->value != 0) {
    return Error(Code::kFailed, fmt::format("{}: {} {}: {}", fmt::join(argv, " "), ending->was_signalled ? "signal" : "status", ending->value, text));
  }
  return text;
}

}  // namespace dynflow::migration
