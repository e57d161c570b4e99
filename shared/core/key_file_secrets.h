// Keeps secrets of plans with the keys of a file.
//
// Threads: all methods may be called from any thread.
#pragma once

#include <memory>
#include <string>

#include "shared/engine/secret_keeper.h"

namespace dynflow::core {

// The keys are read once. kInvalid: see net::Sealer::from_file.
Result<std::unique_ptr<engine::SecretKeeper>> make_key_file_secrets(const std::string& path);

}  // namespace dynflow::core
