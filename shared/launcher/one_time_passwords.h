// Passwords with which a host reports about one task (routes update and done). Kept in memory only: they never reach a disk.
//
// Threads: all methods may be called from any thread.
//
// Source: theforeman/smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/otp_manager.rb. Other than there, a user without a password
// is never let in, and comparing takes the same time for every wrong password.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "shared/base/secret.h"

namespace dynflow::launcher {

class OneTimePasswords {
 public:
  // A new password of 32 hexadecimal digits; an older one of that user is void.
  std::string generate(const std::string& user);
  bool check(std::string_view user, std::string_view password) const;
  void drop(std::string_view user);

  // What stands behind "Basic " in a header.
  static std::string tokenize(std::string_view user, std::string_view password);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Secret, std::less<>> passwords_;
};

}  // namespace dynflow::launcher
