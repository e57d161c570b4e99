#include "migration/apply/workplace.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "migration/config/unit_drop_in.h"
#include "shared/base/file.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace fs = std::filesystem;

namespace {

Error corrupt(const fs::path& path) { return Error(Code::kCorrupt, fmt::format("{} cannot be understood; move it away to begin anew", path.string())); }

std::vector<std::string> strings_of(const Json& document, std::string_view key) {
  std::vector<std::string> found;
  const Json* list = json::find(document, key);
  if (list == nullptr || !list->is_array()) return found;
  for (const Json& each : *list) {
    if (each.is_string()) found.push_back(each.get<std::string>());
  }
  return found;
}

Result<Json> document_in(const fs::path& path) {
  auto text = read_file(path);
  if (!text) return text.error();
  auto document = json::parse(*text);
  if (!document.ok() || !document->is_object()) return corrupt(path);
  return *std::move(document);
}

std::vector<std::string> kept_files(const Site& site) {
  std::vector<std::string> files = {site.dynflow_file, site.settings_file, site.sidecar_file};
  for (const auto& [unit, path] : site.environment_file) files.push_back(path);
  for (const std::string_view unit : {kProxyUnit, kSidecarUnit}) files.push_back(drop_in_path(unit));
  return files;
}

// Mode and owner, as far as this user may give files away.
Status make_alike(const fs::path& file, const fs::path& model) {
  struct stat about {};
  if (stat(model.c_str(), &about) != 0) return {};
  if (geteuid() == 0 && chown(file.c_str(), about.st_uid, about.st_gid) != 0) return Error(Code::kFailed, fmt::format("cannot set the owner of {}: {}", file.string(), std::strerror(errno)));
  if (chmod(file.c_str(), about.st_mode & 07777) != 0) return Error(Code::kFailed, fmt::format("cannot set the mode of {}: {}", file.string(), std::strerror(errno)));
  return {};
}

// What killed ones left: files that did not get their names, snapshots that did not get their document.
void tidy(const Site& site, const fs::path& folder) {
  for (const std::string& path : kept_files(site)) {
    if (path.empty()) continue;
    remove_leftovers(site.layout.real(path));
    remove_leftovers(site.layout.real(path).string() + std::string(kBackupSuffix));
  }
  remove_leftovers(folder / "journal.json");
  std::error_code failure;
  std::vector<fs::path> incomplete;
  for (fs::directory_iterator entry(folder / "snapshots", failure), end; !failure && entry != end; entry.increment(failure)) {
    std::error_code ignored;
    if (!fs::exists(entry->path() / "snapshot.json", ignored)) incomplete.push_back(entry->path());
  }
  for (const fs::path& each : incomplete) fs::remove_all(each, failure);
}

}  // namespace

bool Journal::has_done(std::string_view step) const { return std::find(done.begin(), done.end(), step) != done.end(); }

fs::path Workplace::folder_of(const Site& site) { return site.layout.real(site.state_directory()) / "dynflow-migrate"; }

Result<Workplace> Workplace::open(const Site& site) {
  const fs::path folder = folder_of(site);
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure) return Error(Code::kForbidden, fmt::format("cannot make {}: {}", folder.string(), failure.message()));
  struct stat about {};
  if (lstat(folder.c_str(), &about) != 0 || !S_ISDIR(about.st_mode) || about.st_uid != geteuid()) {
    return Error(Code::kForbidden, fmt::format("{0} belongs to somebody else, who could have written what is done next: look at it, then chown -R {1} {0}, or move it away",
                                                    folder.string(), geteuid()));
  }
  fs::permissions(folder, fs::perms::owner_all, failure);
  fs::create_directory(folder / "snapshots", failure);
  if (failure) return Error(Code::kForbidden, fmt::format("cannot make {}: {}", (folder / "snapshots").string(), failure.message()));
  const fs::path path = folder / "lock";
  Fd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return Error(Code::kForbidden, fmt::format("cannot open {}: {}", path.string(), std::strerror(errno)));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    const auto holder = read_file(path);
    return Error(Code::kBusy, fmt::format("another dynflow-migrate is at work: {}", holder.ok() ? *holder : "unknown"));
  }
  const char* user = std::getenv("SUDO_USER");
  if (user == nullptr) user = std::getenv("USER");
  const std::string who = fmt::format("pid {}, {}, since {:%Y-%m-%d %H:%M:%S}", getpid(), user != nullptr ? user : "unknown user", fmt::localtime(std::time(nullptr)));
  if (ftruncate(lock.get(), 0) != 0 || pwrite(lock.get(), who.data(), who.size(), 0) < 0) {
    return Error(Code::kFailed, fmt::format("cannot write {}: {}", path.string(), std::strerror(errno)));
  }
  tidy(site, folder);
  return Workplace(folder, std::move(lock));
}

Result<std::optional<Journal>> Workplace::journal() const {
  const fs::path path = folder_ / "journal.json";
  const auto document = document_in(path);
  if (!document.ok()) {
    if (document.error().code() == Code::kNotFound) return std::optional<Journal>();
    return document.error();
  }
  Journal journal{json::get_string(*document, "kind"), json::get_string(*document, "snapshot"), json::get_bool(*document, "forced", false),
                  json::get_bool(*document, "finished", false), json::get_bool(*document, "drained", false), strings_of(*document, "done")};
  if (journal.kind.empty()) return corrupt(path);
  return std::optional(std::move(journal));
}

Status Workplace::save(const Journal& journal) const {
  const Json document{{"kind", journal.kind}, {"snapshot", journal.snapshot}, {"forced", journal.is_forced}, {"finished", journal.is_finished},
                      {"drained", journal.is_drained}, {"done", journal.done}};
  return replace_file(folder_ / "journal.json", json::dump(document));
}

Result<std::string> Workplace::take_snapshot(const Site& site, const std::string& mode) const {
  const std::string name = fmt::format("{:%Y%m%d-%H%M%S}-{}", fmt::localtime(std::time(nullptr)), getpid());
  const fs::path folder = snapshot_folder(name);
  std::vector<std::string> there;
  std::vector<std::string> absent;
  std::error_code failure;
  for (const std::string& path : kept_files(site)) {
    const fs::path source = site.layout.real(path);
    if (!fs::exists(source, failure)) {
      if (failure) return Error(Code::kForbidden, fmt::format("cannot look at {}: {}", source.string(), failure.message()));
      absent.push_back(path);
      continue;
    }
    const fs::path copy = folder / "files" / fs::path(path).relative_path();
    fs::create_directories(copy.parent_path(), failure);
    auto text = read_file(source);
    if (!text) return text.error();
    if (auto done = replace_file(copy, *text); !done) return done.error();
    if (auto done = make_alike(copy, source); !done) return done.error();
    there.push_back(path);
  }
  fs::create_directories(folder, failure);
  const auto external = site.external_core();
  const Json document{{"files", there}, {"absent", absent}, {"sidecar_active", site.sidecar_unit.is_active},
                      {"sidecar_enabled", site.sidecar_unit.is_enabled}, {"sidecar_masked", site.sidecar_unit.is_masked},
                      {"external_core", external ? Json(*external) : Json()}, {"mode", mode}};
  // This file makes the snapshot one.
  if (auto done = replace_file(folder / "snapshot.json", json::dump(document)); !done) return done.error();
  return name;
}

bool Workplace::Snapshot::was_external() const {
  if (external_core) return *external_core;
  return mode.empty() ? was_sidecar_active : mode.ends_with("external");
}

Result<Workplace::Snapshot> Workplace::snapshot(const std::string& name) const {
  if (name.empty() || name.find('/') != std::string::npos) return Error(Code::kNotFound, fmt::format("there is no snapshot '{}'", name));
  const auto document = document_in(snapshot_folder(name) / "snapshot.json");
  if (!document) return document.error();
  Snapshot snapshot;
  snapshot.was_sidecar_active = json::get_bool(*document, "sidecar_active", false);
  snapshot.was_sidecar_enabled = json::get_bool(*document, "sidecar_enabled", false);
  snapshot.was_sidecar_masked = json::get_bool(*document, "sidecar_masked", false);
  const Json* external = json::find(*document, "external_core");
  if (external != nullptr && external->is_boolean()) snapshot.external_core = external->get<bool>();
  snapshot.mode = json::get_string(*document, "mode");
  snapshot.files = strings_of(*document, "files");
  snapshot.absent = strings_of(*document, "absent");
  return snapshot;
}

Status Workplace::restore_files(const std::string& name, const Layout& layout) const {
  const auto snapshot = this->snapshot(name);
  if (!snapshot) return snapshot.error();
  for (const std::string& path : snapshot->files) {
    const fs::path copy = snapshot_folder(name) / "files" / fs::path(path).relative_path();
    auto text = read_file(copy);
    if (!text) return text.error();
    const auto now = read_file(layout.real(path));
    if (now.ok() && *now == *text) continue;
    const bool is_gone = !now.ok() && now.error().code() == Code::kNotFound;
    if (auto done = replace_file(layout.real(path), *text, {.backup_suffix = kBackupSuffix}); !done) return done;
    if (is_gone) {
      if (auto done = make_alike(layout.real(path), copy); !done) return done;
    }
  }
  std::error_code ignored;
  for (const std::string& path : snapshot->absent) {
    // With the folder that was made for a drop-in, unless others use it.
    if (fs::remove(layout.real(path), ignored) && path.ends_with(".conf")) fs::remove(layout.real(path).parent_path(), ignored);
  }
  return {};
}

}  // namespace dynflow::migration
