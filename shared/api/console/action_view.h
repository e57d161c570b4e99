// An action's input and output as pages show them: presented by the action itself, what looks secret masked, long things cut.
//
// Threads: as World.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "shared/api/console/html.h"
#include "shared/base/result.h"
#include "shared/engine/world.h"
#include "shared/json/json.h"

namespace dynflow::api::console {

struct ActionView {
  Json input;
  Json output;                                   // without the chunks
  std::vector<persistence::OutputChunk> chunks;  // what the job wrote
  bool is_cut = false;                           // earlier chunks were left out
};

// `most_output`: bytes of chunks, the last ones. Cost: all chunks of the action are read. Errors: the store's.
Result<ActionView> view_action(engine::World& world, const persistence::PlanRecord& plan, const persistence::ActionRecord& action,
                               std::size_t most_output);

// Input, output and what the job wrote. `most_text`: bytes of each of the first two.
Html html_of(const ActionView& view, std::size_t most_text);
// {"input","output"}, the chunks in their place as output.result.
Json document_of(ActionView view);

Html html_of(const persistence::StepError& error);

}  // namespace dynflow::api::console
