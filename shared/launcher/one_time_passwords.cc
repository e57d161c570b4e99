#include "shared/launcher/one_time_passwords.h"

#include "shared/base/base64.h"
#include "shared/base/ids.h"

namespace dynflow::launcher {

std::string OneTimePasswords::generate(const std::string& user) {
  std::string password = random_hex(16);
  const std::lock_guard lock(mutex_);
  passwords_.insert_or_assign(user, Secret(password));
  return password;
}

bool OneTimePasswords::check(std::string_view user, std::string_view password) const {
  const std::lock_guard lock(mutex_);
  const auto found = passwords_.find(user);
  return found != passwords_.end() && !password.empty() && equal_in_constant_time(found->second.reveal(), password);
}

void OneTimePasswords::drop(std::string_view user) {
  const std::lock_guard lock(mutex_);
  if (const auto found = passwords_.find(user); found != passwords_.end()) passwords_.erase(found);
}

std::string OneTimePasswords::tokenize(std::string_view user, std::string_view password) {
  std::string text(user);
  text += ':';
  text += password;
  return base64_encode(text);
}

}  // namespace dynflow::launcher
