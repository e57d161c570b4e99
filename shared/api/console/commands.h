// What the buttons do.
//
// Threads: as World; everything blocks until it is durable.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "shared/engine/world.h"

namespace dynflow::api::console {

// What became of a command; the words are upstream's where it has some (Dynflow 2.0.0, lib/dynflow/web/console.rb).
enum class Outcome {
  kResumed,
  kNotPaused,
  kCancelled,
  kNothingToCancel,
  kHalted,
  kSkipped,
  kNothingToSkip,
  kStepCancelled,
  kStepNotCancellable,
};
bool is_success(Outcome outcome);
std::string_view text_of(Outcome outcome);
// The word for it in addresses, and back: pages say nothing that their address spells out.
std::string_view word_of(Outcome outcome);
std::optional<Outcome> parse_outcome(std::string_view word);

// Errors: kNotFound, and the store's.
Result<Outcome> resume(engine::World& world, const std::string& plan_id);
Result<Outcome> cancel(engine::World& world, const std::string& plan_id, bool force);
Result<Outcome> halt(engine::World& world, const std::string& plan_id);
Result<Outcome> skip(engine::World& world, const std::string& plan_id, int step_id);
Result<Outcome> cancel_step(engine::World& world, const std::string& plan_id, int step_id);

}  // namespace dynflow::api::console
