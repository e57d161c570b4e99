#include "migration/commands.h"

#include "migration/apply/apply_commands.h"
#include "migration/apply/drain_commands.h"
#include "migration/check/certificates.h"
#include "migration/check/check_commands.h"
#include "migration/check/plugins.h"
#include "migration/config/config_commands.h"
#include "migration/reference.h"
#include "migration/rehearse/rehearse_command.h"
#include "migration/site/status.h"
#include "migration/state/state_commands.h"

namespace dynflow::migration {

const std::vector<Command>& commands() {
  static const std::vector<Command> table = [] {
    std::vector<Command> rows;
    const auto add = [&rows](std::span<const Command> more) { rows.insert(rows.end(), more.begin(), more.end()); };
    add(status_commands());
    add(check_commands());
    add(certificate_commands());
    add(plugin_commands());
    add(apply_commands());
    add(drain_commands());
    add(config_commands());
    add(state_commands());
    add(rehearse_commands());
    add(reference_commands());
    return rows;
  }();
  return table;
}

}  // namespace dynflow::migration
