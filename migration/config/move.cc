#include "migration/config/move.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "migration/config/edit.h"
#include "migration/config/unit_drop_in.h"
#include "shared/base/file.h"
#include "shared/base/url_text.h"

namespace dynflow::migration {

namespace {

enum class Rule {
  kToDynflow,   // the proxy's module has the same key
  kToGlobal,    // the proxy's own settings have it
  kOwnIdentity, // the proxy uses its own; worth a look when they differ
  kEnds,        // means nothing without the core service
};

struct Row {
  std::string_view key;
  Rule rule;
  std::string_view text;
};

constexpr std::array kRows = {
    Row{"console_auth", Rule::kToDynflow, ""},
    Row{"execution_plan_cleaner_age", Rule::kToDynflow, ""},
    Row{"backup_deleted_plans", Rule::kToDynflow, ""},
    Row{"backup_dir", Rule::kToDynflow, ""},
    Row{"ssl_disabled_ciphers", Rule::kToGlobal, ""},
    Row{"tls_disabled_versions", Rule::kToGlobal, ""},
    Row{"foreman_url", Rule::kOwnIdentity, ""},
    Row{"ssl_ca_file", Rule::kOwnIdentity, ""},
    Row{"ssl_certificate", Rule::kOwnIdentity, ""},
    Row{"ssl_private_key", Rule::kOwnIdentity, ""},
    Row{"foreman_ssl_ca", Rule::kOwnIdentity, ""},
    Row{"foreman_ssl_cert", Rule::kOwnIdentity, ""},
    Row{"foreman_ssl_key", Rule::kOwnIdentity, ""},
    Row{"database", Rule::kEnds, "stays with the core service, whose unfinished tasks are in it; the proxy has its own :database:"},
    Row{"listen", Rule::kEnds, "no equivalent: the proxy's own listeners serve"},
    Row{"port", Rule::kEnds, "no equivalent: nothing listens there any more; mind firewalls and monitoring"},
    Row{"use_https", Rule::kEnds, "no equivalent: the proxy's own listeners serve"},
    Row{"log_file", Rule::kEnds, "no equivalent: jobs are logged in the proxy's log file; mind monitoring and backups"},
    Row{"log_level", Rule::kEnds, "no equivalent: the proxy's :log_level: counts"},
    Row{"pid_file", Rule::kEnds, "no equivalent: the proxy has none"},
    Row{"daemonize", Rule::kEnds, "no equivalent: the proxy stays in the foreground"},
};

// The texts of the two files of the proxy while they are edited.
struct Texts {
  std::string dynflow;
  std::string global;
};

bool is_key_of(const settings::Table& table, std::string_view key) {
  return std::any_of(table.settings.begin(), table.settings.end(), [&](const settings::Setting& each) { return each.key == key; });
}

Rule rule_of(std::string_view key, std::string_view& text) {
  for (const Row& row : kRows) {
    if (row.key == key) {
      text = row.text;
      return row.rule;
    }
  }
  text = "no equivalent in the proxy";
  return is_key_of(settings::dynflow_table(), key) ? Rule::kToDynflow : Rule::kEnds;
}

// Ruby's modules do not look at keys without a colon.
constexpr auto kModule = settings::StringKeys::kIgnored;

Status carry(std::string& text, const std::string& file, settings::StringKeys keys, Fate& fate) {
  if (const auto there = written_value(text, fate.key, keys)) {
    fate.needs_attention = *there != fate.value;
    if (there->empty()) fate.text = fmt::format("not moved: {} has :{}: already, which counts; compare them", file, fate.key);
    else fate.text = fate.needs_attention ? fmt::format("not moved: {} says {}, which counts", file, *there) : fmt::format("{} says the same", file);
    return {};
  }
  if (fate.value.empty()) {
    fate.text = "not moved: the core service leaves it empty, and several lines are not moved";
    fate.needs_attention = true;
    return {};
  }
  auto edited = set_key(text, fate.key, fate.value, keys);
  if (!edited) return edited.error().in(file);
  text = *std::move(edited);
  fate.text = fmt::format("moved to {}", file);
  return {};
}

Status decide_fates(const Site& site, Texts& texts, Move& move) {
  if (!site.sidecar) return {};
  const auto text = read_file(site.layout.real(site.sidecar_file));
  if (!text) return text.error();
  for (const settings::Setting& setting : settings::core_service_table().settings) {
    if (!site.sidecar->values.is_present(setting.key)) continue;
    Fate fate{std::string(setting.key), written_value(*text, setting.key).value_or(""),
              site_path(site.layout, site.sidecar->values.place(setting.key)), "", false};
    std::string_view words;
    const Rule rule = rule_of(setting.key, words);
    Status done;
    if (rule == Rule::kToDynflow) {
      done = carry(texts.dynflow, site.dynflow_file, kModule, fate);
    } else if (rule == Rule::kToGlobal) {
      done = carry(texts.global, site.settings_file, settings::StringKeys::kAccepted, fate);
    } else if (rule == Rule::kOwnIdentity) {
      const auto own = written_value(texts.global, fate.key);
      fate.needs_attention = own && *own != fate.value;
      fate.text = fate.needs_attention ? fmt::format("the proxy uses its own: {}", *own) : "the proxy uses its own";
    } else {
      fate.text = std::string(words);
    }
    if (!done.ok()) return done;
    move.fates.push_back(std::move(fate));
  }
  return {};
}

// Two worlds never share a file: the proxy takes one beside it.
Status separate_databases(const Site& site, std::string& dynflow) {
  const std::string& mine = site.proxy_database.value;
  if (mine.empty() || mine != site.sidecar_database.value || mine.find("://") != std::string::npos) return {};
  const std::filesystem::path path(mine);
  auto edited = set_key(dynflow, "database", (path.parent_path() / (path.stem().string() + "-proxy" + path.extension().string())).string(), kModule);
  if (!edited) return edited.error().in(site.dynflow_file);
  dynflow = *std::move(edited);
  return {};
}

// Without what may be passwords in URLs: of databases, of proxies towards the outside.
std::string without_secrets(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const auto scheme = text.find("://");
    const auto first = scheme == std::string_view::npos ? text.size() : text.find_last_of(" \t\n\"'=", scheme) + 1;
    const auto end = scheme == std::string_view::npos ? text.size() : std::min(text.find_first_of(" \t\r\n\"'", scheme), text.size());
    shown += text.substr(0, first);
    shown += without_credentials(std::string(text.substr(first, end - first)));
    text.remove_prefix(end);
  }
  return shown;
}

Result<std::string> text_or_empty(const std::filesystem::path& path) {
  auto text = read_file(path);
  if (!text.ok() && text.error().code() == Code::kNotFound) return std::string();
  return text;
}

}  // namespace

Result<Target> parse_target(std::string_view word) {
  if (word == "internal") return Target::kInternal;
  if (word == "external") return Target::kExternal;
  if (word == "merged") return Target::kMerged;
  return Error(Code::kInvalid, fmt::format("--to: expected internal, external or merged, got '{}'", word));
}

Result<Move> move_to(const Site& site, Target target) {
  if (!site.problems.empty()) return Error(Code::kInvalid, site.problems.front());
  auto dynflow = text_or_empty(site.layout.real(site.dynflow_file));
  if (!dynflow) return dynflow.error();
  auto global = text_or_empty(site.layout.real(site.settings_file));
  if (!global) return global.error();
  Move move;
  Texts texts{*dynflow, *global};
  if (target == Target::kInternal) {
    if (auto done = decide_fates(site, texts, move); !done) return done.error();
    if (auto done = separate_databases(site, texts.dynflow); !done) return done.error();
  }
  Result<std::string> edited = texts.dynflow;
  if (target == Target::kMerged) {
    edited = unset_key(texts.dynflow, "external_core", kModule);
    if (edited.ok()) edited = unset_key(*edited, "core_url", kModule);
  } else {
    edited = set_key(texts.dynflow, "external_core", target == Target::kExternal ? "true" : "false", kModule);
  }
  if (!edited) return edited.error().in(site.dynflow_file);
  const std::string_view from = target == Target::kExternal ? kProxyUnit : kSidecarUnit;
  const std::string_view to = target == Target::kExternal ? kSidecarUnit : kProxyUnit;
  if (const std::string drop_in = drop_in_text(site, from, to); !drop_in.empty()) {
    auto before = text_or_empty(site.layout.real(drop_in_path(to)));
    if (!before) return before.error();
    move.changes.push_back({drop_in_path(to), *std::move(before), drop_in});
  }
  if (*edited != *dynflow) move.changes.push_back({site.dynflow_file, *dynflow, *edited});
  if (texts.global != *global) move.changes.push_back({site.settings_file, *global, texts.global});
  return move;
}

std::string diff_of(const Move& move) {
  std::string text;
  for (const FileChange& change : move.changes) text += unified_diff(change.path, change.before, change.after);
  return without_secrets(text);
}

Status write(const Layout& layout, const Move& move) {
  for (const FileChange& change : move.changes) {
    std::error_code failure;
    std::filesystem::create_directories(layout.real(change.path).parent_path(), failure);  // that of a drop-in; without it the next line fails
    if (auto done = replace_file(layout.real(change.path), change.after, {.backup_suffix = kBackupSuffix}); !done) return done;
  }
  return {};
}

}  // namespace dynflow::migration
