// dynflow-migrate: the phases of a move between core service and in-process execution, step by step.
#include "migration/command_line.h"

int main(int argc, char** argv) { return dynflow::migration::run_command_line(argc, argv); }
