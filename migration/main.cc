// dynflow-migrate: the phases of a move between core service and in-process execution, step by step.
#include "migration/command_line.h"
#include "migration/rehearse/end_with_parent.h"

int main(int argc, char** argv) {
  if (const auto status = dynflow::migration::become_the_other(argc, argv)) return *status;
  return dynflow::migration::run_command_line(argc, argv);
}
