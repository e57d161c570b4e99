// What an error of the store means to who would try again.
//
// Threads: pure functions.
#pragma once

#include "shared/base/result.h"

namespace dynflow::engine {

// Whether the same may be taken later: the store cannot be reached now, or has too much to do.
inline bool may_pass(Code code) { return code == Code::kUnavailable || code == Code::kBusy || code == Code::kTimeout; }

}  // namespace dynflow::engine
