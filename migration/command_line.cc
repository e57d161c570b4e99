#include "migration/command_line.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include "migration/commands.h"
#include "migration/reference.h"
#include "migration/site/layout.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

// Where CLI11 puts what it reads; lives as long as the parser.
struct Slot {
  const Option* row;
  bool flag = false;
  std::string value;
  CLI::Option* option = nullptr;
};

void add_option(CLI::App& app, const Option& row, Slot& slot) {
  slot.row = &row;
  const std::string name = row.kind == OptionKind::kPositional ? std::string(row.name) : "--" + std::string(row.name);
  if (row.kind == OptionKind::kFlag) {
    slot.option = app.add_flag(name, slot.flag, std::string(row.doc));
    return;
  }
  slot.option = app.add_option(name, slot.value, std::string(row.doc));
  if (!row.value_name.empty()) slot.option->type_name(std::string(row.value_name));
  std::vector<std::string> words;
  for (const std::string_view word : words_of(row)) words.emplace_back(word);
  if (!words.empty()) slot.option->check(CLI::IsMember(words))->type_name(std::string(row.value_name));
  slot.option->required(row.is_required);
}

GlobalOptions global_options_of(const std::vector<std::unique_ptr<Slot>>& slots) {
  GlobalOptions options;
  for (const auto& slot : slots) {
    if (slot->option->count() == 0) continue;
    if (slot->row->name == "root") options.root = slot->value;
    if (slot->row->name == "config-dir") options.config_dir = slot->value;
    if (slot->row->name == "core-config-dir") options.core_config_dir = slot->value;
    if (slot->row->name == "proxy-url") options.proxy_url = slot->value;
    if (slot->row->name == "json") options.is_json = true;
    if (slot->row->name == "noop") options.is_noop = true;
  }
  return options;
}

struct Parsed {
  CLI::App* app;
  const Command* command;
  std::vector<std::unique_ptr<Slot>> slots;
};

// The group of "config get" is the subcommand "config".
CLI::App* parent_of(CLI::App& app, std::map<std::string, CLI::App*>& groups, std::string_view name) {
  const auto space = name.find(' ');
  if (space == std::string_view::npos) return &app;
  const std::string group(name.substr(0, space));
  CLI::App*& made = groups[group];
  if (made == nullptr) {
    made = app.add_subcommand(group, "See dynflow-migrate " + group + " --help")->require_subcommand(1)->fallthrough();
  }
  return made;
}

// A name with a slip of the pen is no empty site, in which everything would be made anew.
std::optional<std::string> missing_folder(const GlobalOptions& options) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(options.root, ignored)) return "--root: there is no folder " + options.root;
  if (!options.config_dir.empty() && !std::filesystem::is_directory(Layout::of(options).real(options.config_dir), ignored)) {
    return "--config-dir: there is no folder " + options.config_dir;
  }
  return std::nullopt;
}

int run(const Parsed& parsed, const GlobalOptions& options) {
  Arguments arguments;
  for (const auto& slot : parsed.slots) {
    if (slot->option->count() > 0) arguments.set(slot->row->name, slot->flag ? "true" : slot->value);
  }
  // Who reads the output of a change may go; the change goes on, and finish() says what was cut.
  std::signal(SIGPIPE, SIG_IGN);
  Output output(options.is_json, stdout, stderr);
  Context context{options, arguments, output};
  const auto missing = missing_folder(options);
  const Result<ExitCode> result = missing ? Result<ExitCode>(Error(Code::kNotFound, *missing)) : parsed.command->run(context);
  ExitCode code = ExitCode::kError;
  if (result.ok()) {
    code = *result;
  } else {
    output.warn(result.error().message());
    output.document()["error"] = result.error().message();
  }
  return static_cast<int>(output.finish(code));
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App app("Moves a Smart Proxy between the core service (sidecar) and in-process execution, and looks after it.",
               "dynflow-migrate");
  app.require_subcommand(1)->fallthrough();
  app.set_version_flag("--version", "dynflow-migrate " PRODUCT_VERSION);
  std::vector<std::unique_ptr<Slot>> general;
  for (const Option& row : global_options()) {
    general.push_back(std::make_unique<Slot>());
    add_option(app, row, *general.back());
  }

  std::map<std::string, CLI::App*> groups;
  std::vector<Parsed> table;
  for (const Command& command : commands()) {
    CLI::App* parent = parent_of(app, groups, command.name);
    const std::string name(command.name.substr(command.name.find(' ') + 1));
    Parsed parsed{parent->add_subcommand(name, std::string(command.summary))->fallthrough(), &command, {}};
    for (const Option& row : command.options) {
      parsed.slots.push_back(std::make_unique<Slot>());
      add_option(*parsed.app, row, *parsed.slots.back());
    }
    table.push_back(std::move(parsed));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::kError);
  }
  const GlobalOptions options = global_options_of(general);
  for (const Parsed& parsed : table) {
    if (parsed.app->parsed()) return run(parsed, options);
  }
  return static_cast<int>(ExitCode::kError);
}

}  // namespace dynflow::migration
