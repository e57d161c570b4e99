#include "shared/json/masked.h"

#include <catch2/catch.hpp>

#include "shared/json/json.h"

namespace dynflow::json {
namespace {

TEST_CASE("what its key calls a secret is masked at any depth") {
  for (const char* key : {"password", "effective_user_password", "ssh_password", "key_passphrase", "secrets", "ansible_become_pass", "otp", "API-Key",
                          "private_key", "privateKey", "auth_token", "Authorization", "pwd", "credentials"}) {
    CAPTURE(key);
    CHECK(is_secret_key(key));
  }
  for (const char* key : {"script", "passed", "compass", "bypass_proxy", "key", "host", "optional", "tasks", "public_key", "result"}) {
    CAPTURE(key);
    CHECK_FALSE(is_secret_key(key));
  }
  Json document = *parse(R"({"a":[{"password":"x","keep":1}],"secrets":{"deep":["y"]},"token":"","otp":null,"secret":true,"pass":7})");
  mask_secrets(document);
  CHECK(dump(document) == R"({"a":[{"password":"[hidden]","keep":1}],"secrets":"[hidden]","token":"","otp":null,"secret":true,"pass":"[hidden]"})");
}

}  // namespace
}  // namespace dynflow::json
