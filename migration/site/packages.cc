#include "migration/site/packages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <sstream>

#include "migration/site/services.h"
#include "shared/base/file.h"

namespace dynflow::migration {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kDebianStatus = "/var/lib/dpkg/status";
constexpr std::string_view kDebianFiles = "/var/lib/dpkg/info";
constexpr std::array kRpmDatabases = {"/var/lib/rpm", "/usr/lib/sysimage/rpm"};
// Name and version of each package, then a line for each that it needs.
constexpr const char* kRpmFormat =
    "P\\t%{NAME}\\t%{VERSION}\\n[R\\t%{=NAME}\\t%{REQUIRENAME}\\t%{REQUIREFLAGS:depflags}\\t%{REQUIREVERSION}\\n]";

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
}

std::vector<std::string> split(const std::string& text, char mark) {
  std::vector<std::string> parts;
  std::istringstream rest(text);
  for (std::string part; std::getline(rest, part, mark);) parts.push_back(part);
  return parts;
}

// "1:0.3.1-2~bpo" is 0.3.1.
std::string plain_version(std::string_view version) {
  if (const auto colon = version.find(':'); colon != std::string_view::npos) version.remove_prefix(colon + 1);
  return std::string(version.substr(0, version.find_first_of("-+~")));
}

// "a (<< 1.0) | b, c" as Debian writes it.
std::vector<Dependency> debian_needs(const std::string& text) {
  std::vector<Dependency> needs;
  for (const std::string& group : split(text, ',')) {
    for (const std::string& each : split(group, '|')) {
      const auto open = each.find('(');
      Dependency need{trimmed(each.substr(0, open)), "", ""};
      if (open != std::string::npos) {
        const std::string inside = trimmed(each.substr(open + 1, each.find(')') - open - 1));
        const auto blank = inside.find(' ');
        need.relation = inside.substr(0, blank);
        if (blank != std::string::npos) need.version = trimmed(inside.substr(blank));
      }
      needs.push_back(std::move(need));
    }
  }
  return needs;
}

std::vector<Package> debian_packages(const std::string& text) {
  std::vector<Package> packages;
  Package now;
  bool is_installed = false;
  const auto finish = [&] {
    if (is_installed && !now.name.empty()) packages.push_back(std::move(now));
    now = {};
    is_installed = false;
  };
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) finish();
    const auto colon = line.find(": ");
    if (colon == std::string::npos || line[0] == ' ') continue;
    const std::string key = line.substr(0, colon);
    const std::string value = line.substr(colon + 2);
    if (key == "Package") now.name = value, now.gem = gem_of(value);
    if (key == "Status") is_installed = value.ends_with(" installed");
    if (key == "Version") now.version = plain_version(value);
    if (key == "Depends" || key == "Pre-Depends") {
      for (Dependency& need : debian_needs(value)) now.needs.push_back(std::move(need));
    }
  }
  finish();
  return packages;
}

bool has_rpm(const Layout& layout) {
  std::error_code ignored;
  return std::any_of(kRpmDatabases.begin(), kRpmDatabases.end(), [&](const char* folder) {
    return fs::is_directory(layout.real(folder), ignored) && !fs::is_empty(layout.real(folder), ignored);
  });
}

std::vector<std::string> rpm(const Layout& layout, std::initializer_list<std::string> arguments) {
  std::vector<std::string> argv = {"rpm"};
  if (!layout.is_live()) argv.insert(argv.end(), {"--root", layout.root.string()});
  argv.insert(argv.end(), arguments);
  return argv;
}

std::vector<Package> rpm_packages(const std::string& text) {
  std::vector<Package> packages;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto parts = split(line, '\t');
    if (parts.size() >= 3 && parts[0] == "P") packages.push_back({parts[1], gem_of(parts[1]), plain_version(parts[2]), {}});
    if (parts.size() >= 3 && parts[0] == "R" && !packages.empty()) {
      packages.back().needs.push_back({parts[2], parts.size() > 3 ? trimmed(parts[3]) : "", parts.size() > 4 ? plain_version(parts[4]) : ""});
    }
  }
  return packages;
}

}  // namespace

std::string gem_of(std::string_view package) {
  // rpm's virtual names: rubygem(smart_proxy_dynflow).
  if (const auto open = package.find('('); open != std::string_view::npos && package.ends_with(')')) {
    package = package.substr(open + 1, package.size() - open - 2);
  }
  for (const std::string_view prefix : {"tfm-", "rubygem-", "ruby-"}) {
    if (package.starts_with(prefix)) package.remove_prefix(prefix.size());
  }
  std::string gem(package);
  std::replace(gem.begin(), gem.end(), '-', '_');
  return gem;
}

Result<std::vector<Package>> installed_packages(const Layout& layout) {
  if (const auto status = read_file(layout.real(kDebianStatus)); status.ok()) return debian_packages(*status);
  if (!has_rpm(layout)) return std::vector<Package>();
  const auto text = run_program(rpm(layout, {"-qa", "--qf", kRpmFormat}));
  if (!text) return Error(Code::kUnavailable, text.error().message());
  return rpm_packages(*text);
}

std::string owner_of(const Layout& layout, const std::string& path) {
  std::error_code failure;
  for (fs::directory_iterator entry(layout.real(kDebianFiles), failure), end; !failure && entry != end; entry.increment(failure)) {
    if (entry->path().extension() != ".list") continue;
    const auto text = read_file(entry->path());
    if (!text.ok() || ("\n" + *text).find("\n" + path + "\n") == std::string::npos) continue;
    const std::string name = entry->path().stem().string();
    return name.substr(0, name.find(':'));  // "name:amd64.list"
  }
  if (!has_rpm(layout)) return {};
  const auto text = run_program(rpm(layout, {"-qf", "--qf", "%{NAME}", path}));
  return text.ok() ? *text : "";
}

std::optional<bool> is_in_a_repository(const Layout& layout, const std::string& package) {
  std::error_code ignored;
  if (fs::exists(layout.real(kDebianStatus), ignored)) {
    std::vector<std::string> argv = {"apt-cache"};
    if (!layout.is_live()) argv.insert(argv.end(), {"-o", fmt::format("Dir={}", layout.root.string())});
    argv.insert(argv.end(), {"policy", package});
    const auto text = run_program(argv);
    if (!text) return std::nullopt;
    // A version's sources follow it, deeper; the status file is not one that it could be installed from.
    for (const std::string& line : split(*text, '\n')) {
      if (line.starts_with("        ") && line.find(kDebianStatus) == std::string::npos) return true;
    }
    return false;
  }
  if (!has_rpm(layout)) return std::nullopt;
  std::vector<std::string> argv = {"dnf", "-q"};
  if (!layout.is_live()) argv.insert(argv.end(), {"--installroot", layout.root.string()});
  argv.insert(argv.end(), {"repoquery", package});
  const auto text = run_program(argv);
  if (!text) return std::nullopt;
  return text->find(package) != std::string::npos;
}

int compare_versions(std::string_view one, std::string_view other) {
  const auto next = [](std::string_view& text) {
    long value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (!text.empty()) text.remove_prefix(1);
    return problem == std::errc() ? value : 0;
  };
  while (!one.empty() || !other.empty()) {
    const long mine = next(one);
    const long yours = next(other);
    if (mine != yours) return mine < yours ? -1 : 1;
  }
  return 0;
}

}  // namespace dynflow::migration
