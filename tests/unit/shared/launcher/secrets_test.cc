#include "shared/launcher/secrets.h"

#include <catch2/catch.hpp>

#include "shared/launcher/one_time_passwords.h"

using dynflow::Json;
using namespace dynflow::launcher;

TEST_CASE("secrets are taken out and leave masks") {
  const auto taken = take_secrets(Json{
      {"hostname", "h"},
      {"secrets", {{"ssh_password", "a"}, {"key_passphrase", nullptr}, {"per-host", {{"h", {{"ansible_password", "b"}}}}}}},
      {"sudo_password", "c"},
      {"effective_user_password", nullptr}});
  CHECK(dynflow::json::dump(taken.input) ==
        R"({"hostname":"h","secrets":{"ssh_password":"[FILTERED]","key_passphrase":null,)"
        R"("per-host":{"h":{"ansible_password":"[FILTERED]"}}},"sudo_password":"[FILTERED]","effective_user_password":null})");
  CHECK(dynflow::json::dump(taken.secrets) ==
        R"({"ssh_password":"a","key_passphrase":null,"per-host":{"h":{"ansible_password":"b"}},"sudo_password":"c"})");
}

TEST_CASE("without secrets nothing changes") {
  const Json input{{"hostname", "h"}, {"secrets", {{"ssh_password", nullptr}}}, {"robotp", "x"}, {"password_policy", "y"}};
  const auto taken = take_secrets(input);
  CHECK(taken.input == input);
  CHECK(taken.secrets.is_null());
}

TEST_CASE("names of secrets") {
  CHECK(is_secret_name("password"));
  CHECK(is_secret_name("SSH_Password"));
  CHECK(is_secret_name("key_passphrase"));
  CHECK(is_secret_name("otp"));
  CHECK(is_secret_name("host_otp"));
  CHECK_FALSE(is_secret_name("ssh_user"));
  CHECK_FALSE(is_secret_name("robotp"));
}

TEST_CASE("a one-time password opens for its user only, until it is dropped") {
  OneTimePasswords passwords;
  const std::string first = passwords.generate("task");
  CHECK(first.size() == 32);
  CHECK(passwords.check("task", first));
  CHECK_FALSE(passwords.check("task", ""));
  CHECK_FALSE(passwords.check("task", first + "0"));
  CHECK_FALSE(passwords.check("other", first));
  CHECK_FALSE(passwords.check("other", ""));
  const std::string second = passwords.generate("task");
  CHECK_FALSE(passwords.check("task", first));
  CHECK(passwords.check("task", second));
  passwords.drop("task");
  CHECK_FALSE(passwords.check("task", second));
  CHECK(OneTimePasswords::tokenize("a", "b") == "YTpi");
}
