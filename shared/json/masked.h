// Takes values out of documents whose keys say that they are secret.
//
// Actions mask what they know of themselves (Action::present); this is for what nobody thought of, variables of an inventory, options of a plugin,
// and for documents that no action has read yet.
//
// Threads: pure functions.
#pragma once

#include <string_view>

#include "shared/json/json_fwd.h"

namespace dynflow::json {

inline constexpr std::string_view kMask = "[hidden]";

// "effective_user_password", "ansible_become_pass", "private_key", "otp" and the like, in any case.
bool is_secret_key(std::string_view key);
// Replaces what stands under such keys, at any depth; what is null, empty, true or false stays.
void mask_secrets(Json& document);

}  // namespace dynflow::json
