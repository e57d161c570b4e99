// Where the output of actions ends: the number that the next chunk comes after, also when all that was stored has been dropped.
//
// An interface of its own beside Store.
//
// Threads: everything may be called from any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "shared/base/clock.h"
#include "shared/base/result.h"

namespace dynflow::persistence {

class Store;

struct OutputEnd {
  std::int64_t sequence = 0;  // of the last chunk; 0: there was none
  Time timestamp{};           // of that
  bool operator==(const OutputEnd&) const = default;
};

class OutputEnds {
 public:
  virtual ~OutputEnds() = default;
  // Blocks; reads at most two rows. Errors: kNotFound (no such plan), and those of Store's reads.
  virtual Result<OutputEnd> load_output_end(std::string_view plan_id, int action_id) = 0;
};

// Those of a store; every store has them.
OutputEnds& output_ends_of(Store& store);

}  // namespace dynflow::persistence
