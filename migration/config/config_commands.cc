#include "migration/config/config_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "migration/config/edit.h"
#include "migration/config/move.h"
#include "migration/site/site.h"
#include "shared/base/file.h"
#include "shared/base/url_text.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

constexpr Option kFileOption{"file", OptionKind::kValue, "settings|dynflow|core", "Which file: settings.yml, dynflow.yml or the core service's; default: dynflow"};
constexpr Option kKey{"KEY", OptionKind::kPositional, "", "The setting, without colons", true};
constexpr std::array kGetOptions = {kKey, kFileOption};
constexpr std::array kSetOptions = {kKey, Option{"VALUE", OptionKind::kPositional, "", "The value as YAML; empty: turn the line into a comment", true}, kFileOption};
constexpr std::array kMigrateOptions = {Option{"to", OptionKind::kValue, "internal|external|merged", "The mode that the files are for; default: internal"}};

Site read(Context& context) {
  const Layout layout = Layout::of(context.options);
  return read_site(layout, *services_of(layout));
}

struct Chosen {
  std::string path;
  const settings::Values* values;
};

Result<Chosen> chosen(const Site& site, const Arguments& arguments) {
  const std::string word = arguments.get("file");
  if (word == "settings") return Chosen{site.settings_file, site.global ? &site.global->values : nullptr};
  if (word == "core") return Chosen{site.sidecar_file, site.sidecar ? &site.sidecar->values : nullptr};
  return Chosen{site.dynflow_file, site.dynflow ? &site.dynflow->module.values : nullptr};
}

bool knows(const settings::Table& table, std::string_view key) {
  return std::any_of(table.settings.begin(), table.settings.end(), [&](const settings::Setting& row) { return row.key == key; });
}

std::string text_of(const settings::Values& values, std::string_view key) {
  const settings::Node& node = values.node(key);
  if (node.type == settings::NodeType::kList) {
    std::vector<std::string> items;
    for (const settings::Node& item : node.items) items.push_back(settings::scalar_text(item));
    return fmt::format("[{}]", fmt::join(items, ", "));
  }
  if (node.is_null()) return "(unset)";
  return node.type == settings::NodeType::kBool ? (node.boolean ? "true" : "false") : without_credentials(settings::scalar_text(node));
}

void show_values(Context& context, const Site& site, const settings::Values* values, const std::string& path) {
  if (values == nullptr) return;
  context.output.say(path + ":");
  Json rows = Json::object();
  for (const settings::Setting& row : values->table().settings) {
    const std::string origin = site_path(site.layout, values->place(row.key));
    const std::string value = text_of(*values, row.key);
    rows[std::string(row.key)] = {{"value", value}, {"origin", origin}};
    context.output.say(fmt::format("  {:<28} {:<40} {}", row.key, value, origin));
  }
  context.output.document()[path] = std::move(rows);
}

ExitCode tell_problems(Context& context, const Site& site) {
  context.output.document()["problems"] = site.problems;
  context.output.document()["settings_warnings"] = site.warnings;
  for (const std::string& problem : site.problems) context.output.say("error: " + problem);
  for (const std::string& warning : site.warnings) context.output.say("warning: " + warning);
  if (!site.problems.empty()) return ExitCode::kError;
  return site.warnings.empty() ? ExitCode::kFine : ExitCode::kWarnings;
}

Result<ExitCode> run_show(Context& context) {
  const Site site = read(context);
  show_values(context, site, site.global ? &site.global->values : nullptr, site.settings_file);
  show_values(context, site, site.dynflow ? &site.dynflow->module.values : nullptr, site.dynflow_file);
  show_values(context, site, site.sidecar ? &site.sidecar->values : nullptr, site.sidecar_file);
  return tell_problems(context, site);
}

Result<ExitCode> run_lint(Context& context) { return tell_problems(context, read(context)); }

Result<ExitCode> run_get(Context& context) {
  const Site site = read(context);
  const auto file = chosen(site, context.arguments);
  if (!file) return file.error();
  if (file->values == nullptr) return Error(Code::kInvalid, site.problems.empty() ? file->path + ": there is no such file" : site.problems.front());
  const std::string key = context.arguments.get("KEY");
  if (!knows(file->values->table(), key)) return Error(Code::kInvalid, fmt::format("{}: there is no setting :{}:", file->path, key));
  const std::string value = text_of(*file->values, key);
  context.output.say(value);
  context.output.document()["value"] = value;
  context.output.document()["origin"] = site_path(site.layout, file->values->place(key));
  return ExitCode::kFine;
}

Result<ExitCode> write_or_show(Context& context, const Layout& layout, const Move& move) {
  const std::string diff = diff_of(move);
  context.output.document()["diff"] = diff;
  if (!diff.empty()) context.output.say(diff.substr(0, diff.size() - 1));
  if (diff.empty() || context.options.is_noop) return ExitCode::kFine;
  if (auto done = write(layout, move); !done) return done.error();
  return ExitCode::kChanged;
}

Result<ExitCode> run_set(Context& context) {
  const Site site = read(context);
  const auto file = chosen(site, context.arguments);
  if (!file) return file.error();
  const settings::Table& table = file->path == site.settings_file  ? settings::global_table()
                                 : file->path == site.sidecar_file ? settings::core_service_table()
                                                                   : settings::dynflow_table();
  const std::string key = context.arguments.get("KEY");
  if (!knows(table, key)) return Error(Code::kInvalid, fmt::format("{}: there is no setting :{}:", file->path, key));
  const auto before = read_file(site.layout.real(file->path));
  if (!before) return before.error();
  const std::string value = context.arguments.get("VALUE");
  const auto keys = table.file == "dynflow.yml" ? settings::StringKeys::kIgnored : settings::StringKeys::kAccepted;
  const auto after = value.empty() ? unset_key(*before, key, keys) : set_key(*before, key, value, keys);
  if (!after) return after.error().in(file->path);
  auto document = settings::parse_yaml(*after, file->path);
  if (!document) return document.error();
  if (auto values = settings::Values::read(table, document->root, keys); !values) return values.error();
  return write_or_show(context, site.layout, Move{{{file->path, *before, *after}}, {}});
}

Result<ExitCode> run_migrate(Context& context) {
  const std::string word = context.arguments.get("to");
  const auto target = parse_target(word.empty() ? "internal" : word);
  if (!target) return target.error();
  const Site site = read(context);
  const auto move = move_to(site, *target);
  if (!move) return move.error();
  Json fates = Json::array();
  for (const Fate& fate : move->fates) {
    fates.push_back({{"key", fate.key}, {"value", without_credentials(fate.value)}, {"origin", fate.origin}, {"fate", fate.text}, {"attention", fate.needs_attention}});
    context.output.say(fmt::format("{}{}: :{}: {} - {}", fate.needs_attention ? "look: " : "", fate.origin, fate.key, without_credentials(fate.value), fate.text));
  }
  context.output.document()["fates"] = std::move(fates);
  return write_or_show(context, site.layout, *move);
}

constexpr std::array kCommands = {
    Command{"config show", "Every setting of both processes with its value and where it stands", {}, run_show},
    Command{"config lint", "What is wrong in the settings files, with file and line", {}, run_lint},
    Command{"config get", "One setting as it counts", kGetOptions, run_get},
    Command{"config set", "Change one line of a settings file; nothing is restarted", kSetOptions, run_set},
    Command{"config migrate", "Move the core service's settings to the proxy and set the mode; nothing is restarted", kMigrateOptions, run_migrate},
};

}  // namespace

std::span<const Command> config_commands() { return kCommands; }

}  // namespace dynflow::migration
