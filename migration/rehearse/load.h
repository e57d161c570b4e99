// The jobs of a rehearsal: launches as Foreman sends them, and what came back.
//
// Threads: run_round and probe_idle block their caller; a thread of their own asks for /version meanwhile.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "migration/rehearse/findings.h"
#include "migration/rehearse/stand_in_foreman.h"

namespace dynflow::migration {

struct LoadOptions {
  std::size_t hosts = 1;
  std::size_t jobs = 1;
  std::string ssh_user;        // whom the hosts know
  std::uint16_t ssh_port = 22;
  std::string action_class = "Proxy::RemoteExecution::Ssh::Actions::RunScript";
};

// Launches all jobs, one after the other, and waits for all callbacks. Errors: kFailed when a launch is refused or callbacks stay
// away for a minute, those of the interrupt, and those of ModeStand::send.
Result<Round> run_round(ModeStand& stand, StandInForeman& foreman, const LoadOptions& load, const Interrupt& interrupt);

// Times of GET /version, in milliseconds, while nothing else happens.
Result<std::vector<double>> probe_idle(ModeStand& stand, Duration span, const Interrupt& interrupt);

// One launch of `load.hosts` tasks; their ids.
Result<std::vector<std::string>> launch_one(ModeStand& stand, const LoadOptions& load, const Interrupt& interrupt, double& milliseconds);

}  // namespace dynflow::migration
