// What is installed: Debian's status file as it is, or rpm asked for its database.
//
// Threads: one at a time; rpm is waited for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "migration/site/layout.h"
#include "shared/base/result.h"

namespace dynflow::migration {

struct Dependency {
  std::string name;
  std::string relation;  // "<<", "<=", "<", "=", ">=", ...; empty: any version
  std::string version;
};

struct Package {
  std::string name;      // as the package manager says it
  std::string gem;       // the same without its distribution's ways: "smart_proxy_dynflow"
  std::string version;   // without epoch and release
  std::vector<Dependency> needs;
};

// "tfm-rubygem-smart_proxy_dynflow" and "ruby-smart-proxy-dynflow" are "smart_proxy_dynflow".
std::string gem_of(std::string_view package);

// Empty where neither database is. Errors: kUnavailable: rpm's is there, and rpm cannot be asked.
Result<std::vector<Package>> installed_packages(const Layout& layout);

// The package that brought the file; empty: none, or not known.
std::string owner_of(const Layout& layout, const std::string& path);
// Whether a repository has the package, so that it could be installed again. Nothing: nobody to ask.
std::optional<bool> is_in_a_repository(const Layout& layout, const std::string& package);

// Compares by numbers: -1, 0, 1. "0.4" is before "0.10".
int compare_versions(std::string_view one, std::string_view other);

}  // namespace dynflow::migration
