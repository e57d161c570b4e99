// The JSON type of this project: keys keep their order, as Ruby's hashes do.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace dynflow {
using Json = nlohmann::ordered_json;
}  // namespace dynflow
