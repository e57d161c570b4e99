// What is known about a site: settings of both processes with where each stands, units, what is lying around. Reading never fails as a
// whole: what cannot be read is a problem of that file, with its line.
//
// Threads: values.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "migration/site/layout.h"
#include "migration/site/listeners.h"
#include "migration/site/services.h"
#include "shared/settings/core_service.h"
#include "shared/settings/global.h"
#include "shared/settings/module.h"

namespace dynflow::migration {

enum class Loadable { kUnknown, kNo, kYes };

enum class SettingsFolder {  // the sidecar's settings.d
  kMissing,
  kLink,      // to a folder that is there, as packages make it
  kDangling,
  kFolder,    // a folder of its own: two sets of settings
};

struct Database {
  std::string value;   // empty: in memory
  std::string origin;  // "file:line", "default", or the environment file's line
};

struct Site {
  Layout layout;

  // Nothing when the file is missing or broken; then `problems` says which.
  std::optional<settings::GlobalSettings> global;
  std::optional<settings::DynflowSettings> dynflow;
  std::optional<settings::CoreServiceSettings> sidecar;
  std::vector<std::string> problems;  // "file:line: what is wrong"
  std::vector<std::string> warnings;

  std::string settings_file;  // paths as the site names them
  std::string dynflow_file;
  std::string sidecar_file;
  bool has_sidecar_file = false;
  SettingsFolder sidecar_folder = SettingsFolder::kMissing;

  Loadable core = Loadable::kUnknown;
  std::string core_library;  // where it was found
  bool is_red_hat = false;

  UnitState proxy_unit;
  UnitState sidecar_unit;
  // What the units' environment files say: unit -> NAME -> value.
  std::map<std::string, std::map<std::string, std::string>, std::less<>> environment;
  std::map<std::string, std::string, std::less<>> environment_file;     // unit -> path
  std::map<std::string, std::vector<std::string>, std::less<>> drop_ins;  // unit -> "path: line" without comments and sections
  std::vector<std::string> leftovers;  // of the sidecar
  std::optional<Listener> core_port_owner;  // who listens on the sidecar's :port:; nothing: nobody, or it is another machine's tree

  Database proxy_database;
  Database sidecar_database;
  std::string saved_mode;  // what the proxy remembers in mode.json; empty: nothing

  bool has_sidecar() const { return has_sidecar_file || sidecar_unit.is_installed; }
  std::optional<bool> external_core() const { return dynflow ? dynflow->external_core : std::nullopt; }
  // "file:line", or "default".
  std::string external_core_place() const;
  // Where the proxy keeps what it remembers.
  std::string state_directory() const;
};

Site read_site(const Layout& layout, Services& services);

// Whether a problem or warning is about a file that this user may not look at: nothing is known of it.
bool is_closed(std::string_view text);

// What a place names on this machine, as the site names it: without the root.
std::string site_path(const Layout& layout, const std::string& path);

}  // namespace dynflow::migration
