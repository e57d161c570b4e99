#include "proxy/dynflow/mode_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "shared/base/fd.h"
#include "shared/json/json.h"

namespace dynflow::proxy {
namespace {

constexpr int kFormat = 1;

Error cannot(std::string_view what, const std::filesystem::path& path) {
  return Error(Code::kUnavailable, fmt::format("cannot {} {}: {}", what, path.string(), std::strerror(errno)));
}

Status write_all(const Fd& fd, std::string_view text, const std::filesystem::path& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return cannot("write", path);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

Result<std::optional<SavedMode>> ModeFile::load() const {
  if (path_.empty()) return std::optional<SavedMode>();
  std::ifstream file(path_);
  if (!file) {
    if (errno == ENOENT) return std::optional<SavedMode>();
    return cannot("read", path_);
  }
  std::ostringstream text;
  text << file.rdbuf();
  const auto document = json::parse(text.str());
  if (!document) return Error(Code::kCorrupt, fmt::format("{}: {}", path_.string(), document.error().message()));
  const auto state = parse_mode_state(json::get_string(*document, "state"));
  const auto since = parse_dynflow_time(json::get_string(*document, "since"));
  if (!state || !since || json::get_int(*document, "format", 0) != kFormat) {
    return Error(Code::kCorrupt, fmt::format("{}: it does not tell a mode that this version knows", path_.string()));
  }
  SavedMode mode{*state, *since, json::get_string(*document, "external_core"), json::get_string(*document, "reason"),
                 json::get_bool(*document, "follows_hand_over", false), std::nullopt};
  if (const Json* drain = json::find(*document, "drain"); drain != nullptr && !drain->is_null()) {
    // A date that cannot be read is no reason to take launches again.
    mode.drain = Drain{parse_dynflow_time(json::get_string(*drain, "since")).value_or(*since), json::get_string(*drain, "reason")};
  }
  return std::optional(std::move(mode));
}

Status ModeFile::save(const SavedMode& mode) const {
  if (path_.empty()) return {};
  Json document{{"format", kFormat},
                {"state", std::string(to_string(mode.state))},
                {"since", dynflow_time(mode.since)},
                {"external_core", mode.setting},
                {"reason", mode.reason},
                {"follows_hand_over", mode.follows_hand_over}};
  if (mode.drain) document["drain"] = Json{{"since", dynflow_time(mode.drain->since)}, {"reason", mode.drain->reason}};
  std::filesystem::path fresh = path_;
  fresh += ".new";
  const Fd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!fd) return cannot("write", fresh);
  if (::fchmod(fd.get(), 0640) != 0) return cannot("set the mode of", fresh);
  if (Status written = write_all(fd, json::dump(document) + "\n", fresh); !written) return written;
  if (::fsync(fd.get()) != 0) return cannot("sync", fresh);
  if (std::rename(fresh.c_str(), path_.c_str()) != 0) return cannot("replace", path_);
  const Fd folder(::open(path_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) return cannot("sync the folder of", path_);
  return {};
}

}  // namespace dynflow::proxy
