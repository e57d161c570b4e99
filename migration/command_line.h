// From argv to a command: made from the table with CLI11.
#pragma once

namespace dynflow::migration {

// Parses, runs, prints. Gives the exit code of the program.
int run_command_line(int argc, char** argv);

}  // namespace dynflow::migration
