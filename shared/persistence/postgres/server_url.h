// The address of a PostgreSQL server as settings name it. It may hold a password, which must reach no log and no error text.
//
// Threads: a value.
#pragma once

#include <string>
#include <string_view>

#include "shared/base/result.h"

namespace dynflow::persistence::postgres {

class ServerUrl {
 public:
  // "postgresql://" or "postgres://" and what libpq takes behind it. Errors: kInvalid, without any part of the text.
  static Result<ServerUrl> parse(std::string_view text);

  // With the password; for libpq alone.
  const std::string& text() const { return text_; }
  // `message` without the password.
  std::string without_password(std::string message) const;

 private:
  std::string text_;
  std::string password_;  // empty: none
};

}  // namespace dynflow::persistence::postgres
