// What is made from the command table: the manual page and the completion of shells.
#pragma once

#include <span>
#include <string>

#include "migration/command.h"

namespace dynflow::migration {

// The options that every command takes.
std::span<const Option> global_options();

// dynflow-migrate(8), in man(7)'s language.
std::string manual_page(std::span<const Command> commands);
// A completion script for bash, which zsh reads through bashcompinit.
std::string bash_completion(std::span<const Command> commands);

// `completion` and `manual`.
std::span<const Command> reference_commands();

}  // namespace dynflow::migration
