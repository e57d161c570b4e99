// Keeps the secrets of plans beyond the end of a process: what one seals goes into the store, and what it opens is the same again. Without
// one, secrets are in memory only.
//
// Threads: all methods may be called from any thread.
#pragma once

#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "shared/json/json_fwd.h"

namespace dynflow::engine {

class SecretKeeper {
 public:
  virtual ~SecretKeeper() = default;
  // Text that may be stored, for that plan.
  virtual Result<std::string> seal(const std::string& plan_id, const Json& secrets) const = 0;
  // The message of an error goes into the task: why its secrets cannot be read.
  virtual Result<Json> open(const std::string& plan_id, std::string_view sealed) const = 0;
};

}  // namespace dynflow::engine
