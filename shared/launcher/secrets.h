// Takes what must not be stored out of the input of an action.
//
// Secret are: everything in the member "secrets", and members of the input itself whose name ends in "password", "passphrase" or
// "otp". In the input that is stored, each value gives way to a mask; null stays null, so that a reader sees what was given.
//
// Threads: pure functions.
#pragma once

#include <string_view>

#include "shared/json/json.h"

namespace dynflow::launcher {

inline constexpr std::string_view kMask = "[FILTERED]";

struct TakenSecrets {
  Json input;    // as given, with masks
  Json secrets;  // an object: the members of "secrets", and those of the input; null when there are none
};

TakenSecrets take_secrets(Json input);

// True for the name of a member whose value is a secret.
bool is_secret_name(std::string_view name);

}  // namespace dynflow::launcher
