// SHA-256 (FIPS 180-4), for telling requests apart. Keys and signatures are OpenSSL's business (shared/net).
//
// Threads: a value.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dynflow {

class Sha256 {
 public:
  Sha256& update(std::string_view bytes);
  // The digest as 64 lower-case hexadecimal digits. The object is used up.
  std::string hex();

 private:
  void take_block(const unsigned char* block);

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> pending_{};
  std::size_t pending_size_ = 0;
  std::uint64_t total_ = 0;  // bytes
};

}  // namespace dynflow
