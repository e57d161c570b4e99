// Moves plans from a source into a store of ours: all that can be moved, each whole or not at all, and none twice.
//
// Threads: one at a time; blocks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "migration/state/plan_source.h"
#include "shared/persistence/store.h"

namespace dynflow::migration {

struct RefusedPlan {
  std::string id;
  std::string state;
  std::string reason;
};

// What a look at every plan says, before anything is written.
struct Survey {
  std::vector<PlanSummary> plans;       // all of the source
  std::vector<std::string> movable;     // their ids, prerequisites before what waits for them
  std::vector<RefusedPlan> refused;
  std::size_t finished_left_out = 0;    // with only_running
  std::size_t with_secrets = 0;         // their secrets are masked on the way
  std::size_t callbacks = 0;            // of the plans that Foreman has not taken yet
};

// Says where it is; an error ends the work with that error.
using TransferProgress = std::function<Status(std::size_t done, std::size_t total, std::string_view text)>;

// Loads every plan once. Errors: those that concern the whole source, and that of `progress`.
Result<Survey> survey(PlanSource& source, bool only_running, const TransferProgress& progress);

struct Transferred {
  std::size_t moved = 0;
  std::size_t already_there = 0;  // a plan of that id: it is kept as it is, which may be further on
};

// Into a store that was started. Errors: those of Store, of PlanSource and of `progress`; what was moved before stays, and the same call goes on from there.
Result<Transferred> transfer(PlanSource& source, const Survey& survey, persistence::Store& target, const TransferProgress& progress);

}  // namespace dynflow::migration
