#include "shared/base/base64.h"

#include <catch2/catch.hpp>

using namespace dynflow;

TEST_CASE("base64 follows RFC 4648 section 10", "[base64]") {
  const std::pair<const char*, const char*> rows[] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : rows) {
    CHECK(base64_encode(plain) == encoded);
    CHECK(base64_decode(encoded) == std::string(plain));
  }
}

TEST_CASE("base64 takes every byte there and back", "[base64]") {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  CHECK(base64_decode(base64_encode(all)) == all);
}

TEST_CASE("base64 refuses every other spelling", "[base64]") {
  for (const char* text : {"Zg", "Zg=", "Zg===", "====", "Z===", "Zh==", "Zm9", "Zm 9v", "Zm9v\n", "Zm-v", "=Zm9", "Zg==Zg=="}) {
    INFO(text);
    CHECK_FALSE(base64_decode(text).has_value());
  }
}
