#include "migration/reference.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <string_view>

#include "migration/commands.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

constexpr std::array kGlobalOptions = {
    Option{"root", OptionKind::kValue, "DIR", "Look for everything below this folder: test trees, images"},
    Option{"config-dir", OptionKind::kValue, "DIR", "The proxy's configuration folder, below the root; default: /etc/foreman-proxy"},
    Option{"core-config-dir", OptionKind::kValue, "DIR", "The core service's, below the root; default: /etc/smart_proxy_dynflow_core"},
    Option{"proxy-url", OptionKind::kValue, "URL", "Where the running proxy answers; default: from its settings"},
    Option{"json", OptionKind::kFlag, "", "One JSON document instead of lines"},
    Option{"noop", OptionKind::kFlag, "", "Say what would be done and change nothing"},
};

constexpr std::string_view kExitCodes = R"(.SH EXIT STATUS
.IP 0
Fine, or nothing had to change.
.IP 1
Fine, with warnings.
.IP 2
Wrong arguments, or it could not be done.
.IP 3
Done, and something was changed.
.IP 4
Refused because jobs run.
.IP 5
The state of the site is contradictory.
)";

// A minus sign that can be copied; no line begins with a dot or a quote.
std::string roff(std::string_view text) {
  std::string out;
  if (!text.empty() && (text.front() == '.' || text.front() == '\'')) out += "\\&";
  for (const char letter : text) {
    if (letter == '-') out += "\\-";
    else if (letter == '\\') out += "\\e";
    else out += letter;
  }
  return out;
}

std::string usage_of(const Option& option) {
  if (option.kind == OptionKind::kPositional) return std::string(option.name);
  if (option.kind == OptionKind::kFlag) return fmt::format("--{}", option.name);
  return fmt::format("--{} {}", option.name, option.value_name);
}

std::string manual_options(std::span<const Option> options) {
  std::string text;
  for (const Option& option : options) text += fmt::format(".TP\n.B {}\n{}\n", roff(usage_of(option)), roff(option.doc));
  return text;
}

std::string words_joined(std::span<const std::string_view> words) { return fmt::format("{}", fmt::join(words, " ")); }

// What may follow a command: its own options, then everybody's.
std::string completions_of(const Command& command) {
  std::vector<std::string> words;
  for (const Option& option : command.options) {
    if (option.kind != OptionKind::kPositional) words.push_back(fmt::format("--{}", option.name));
  }
  for (const Option& option : kGlobalOptions) words.push_back(fmt::format("--{}", option.name));
  return fmt::format("{}", fmt::join(words, " "));
}

Result<ExitCode> print(Context& context, std::string text) {
  if (context.output.is_json()) context.output.document()["text"] = text;
  if (!text.empty() && text.back() == '\n') text.pop_back();
  context.output.say(text);
  return ExitCode::kFine;
}

Result<ExitCode> run_completion(Context& context) { return print(context, bash_completion(commands())); }
Result<ExitCode> run_manual(Context& context) { return print(context, manual_page(commands())); }

constexpr std::array kCommands = {
    Command{"completion", "Print the completion script for bash (and zsh through bashcompinit)", {}, run_completion},
    Command{"manual", "Print the manual page, for man -l -", {}, run_manual},
};

}  // namespace

std::span<const Option> global_options() { return kGlobalOptions; }
std::span<const Command> reference_commands() { return kCommands; }

std::string manual_page(std::span<const Command> commands) {
  std::string text =
      ".TH DYNFLOW\\-MIGRATE 8\n.SH NAME\ndynflow\\-migrate \\- move a Smart Proxy between core service and in\\-process execution\n"
      ".SH SYNOPSIS\n.B dynflow\\-migrate\n.I COMMAND\n[OPTIONS]\n.SH OPTIONS OF ALL COMMANDS\n";
  text += manual_options(kGlobalOptions);
  text += ".SH COMMANDS\n";
  for (const Command& command : commands) {
    text += fmt::format(".SS {}\n{}.\n", roff(command.name), roff(command.summary));
    text += manual_options(command.options);
  }
  text += kExitCodes;
  return text;
}

std::string bash_completion(std::span<const Command> commands) {
  std::vector<std::string_view> first;
  std::map<std::string_view, std::vector<std::string_view>> groups;
  std::string options;
  std::map<std::string_view, std::string> values;
  for (const Command& command : commands) {
    const auto space = command.name.find(' ');
    const std::string_view word = command.name.substr(0, space);
    if (first.empty() || first.back() != word) first.push_back(word);
    if (space != std::string_view::npos) groups[word].push_back(command.name.substr(space + 1));
    options += fmt::format("    '{}') words='{}' ;;\n", command.name, completions_of(command));
    for (const Option& option : command.options) {
      if (option.kind == OptionKind::kValue && !words_of(option).empty()) {
        values[command.name] += fmt::format("    '{} --{}') words='{}' ;;\n", command.name, option.name, words_joined(words_of(option)));
      }
    }
  }
  std::string text = "# bash completion of dynflow-migrate; made by `dynflow-migrate completion`\n_dynflow_migrate() {\n"
                     "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words= command= second= name\n"
                     "  for name in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
                     "    case $name in -*) ;; *) if [ -z \"$command\" ]; then command=$name; elif [ -z \"$second\" ]; then second=$name; fi ;; esac\n"
                     "  done\n  case \"$command\" in\n";
  text += fmt::format("    '') words='{}' ;;\n", words_joined(first));
  for (const auto& [group, members] : groups) {
    text += fmt::format("    {}) if [ -z \"$second\" ] || [ \"$second\" = \"$word\" ]; then words='{}'; else command=\"$command $second\"; fi ;;\n",
                        group, words_joined(members));
  }
  text += "  esac\n  [ -n \"$words\" ] || case \"$command\" in\n" + options + "  esac\n  case \"$command $before\" in\n";
  for (const auto& [command, rows] : values) text += rows;
  text += "  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\ncomplete -o default -F _dynflow_migrate dynflow-migrate\n";
  return text;
}

}  // namespace dynflow::migration
