#include "shared/base/sha256.h"

#include <catch2/catch.hpp>

using dynflow::Sha256;

// Vectors of FIPS 180-4 and of NIST's SHA examples.
TEST_CASE("known digests") {
  CHECK(Sha256().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Sha256().update("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Sha256().update("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq").hex() ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(Sha256().update(std::string(1'000'000, 'a')).hex() ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("the same bytes in any pieces give the same digest") {
  const std::string text(200, 'x');
  const std::string whole = Sha256().update(text).hex();
  for (std::size_t cut = 0; cut <= text.size(); cut += 7) {
    CHECK(Sha256().update(text.substr(0, cut)).update(text.substr(cut)).hex() == whole);
  }
}
