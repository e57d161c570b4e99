// Identifiers: random UUIDs, and a source of them that tests can seed.
//
// Threads: all methods may be called from any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <random>
#include <string>
#include <string_view>

namespace dynflow {

class IdSource {
 public:
  virtual ~IdSource() = default;
  // A version 4 UUID in lower case with hyphens.
  virtual std::string uuid() = 0;
};

// Backed by getrandom(2). The object lives for ever.
IdSource& system_ids();

// The same sequence for the same seed; for tests.
class SeededIds final : public IdSource {
 public:
  explicit SeededIds(std::uint64_t seed) : random_(seed) {}
  std::string uuid() override;

 private:
  std::mutex mutex_;
  std::mt19937_64 random_;
};

// True for the 8-4-4-4-12 hexadecimal form, any version, any case.
bool is_uuid(std::string_view text);

// `bytes` random bytes from getrandom(2) as lower-case hexadecimal digits.
std::string random_hex(std::size_t bytes);

}  // namespace dynflow
