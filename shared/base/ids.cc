#include "shared/base/ids.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>

namespace dynflow {
namespace {

constexpr char kHex[] = "0123456789abcdef";

void fill_random(std::span<unsigned char> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::getrandom(bytes.data() + done, bytes.size() - done, 0);
    if (n < 0) std::abort();  // only with a kernel older than 3.17
    done += static_cast<std::size_t>(n);
  }
}

std::string format_uuid(std::array<unsigned char, 16> b) {
  b[6] = static_cast<unsigned char>((b[6] & 0x0f) | 0x40);
  b[8] = static_cast<unsigned char>((b[8] & 0x3f) | 0x80);
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kHex[b[i] >> 4];
    text += kHex[b[i] & 15];
  }
  return text;
}

class SystemIds final : public IdSource {
 public:
  std::string uuid() override {
    // One system call for 64 ids: a launch of 1,000 tasks makes thousands.
    thread_local std::array<unsigned char, 16 * 64> pool;
    thread_local std::size_t next = pool.size();
    if (next == pool.size()) {
      fill_random(pool);
      next = 0;
    }
    std::array<unsigned char, 16> b;
    std::copy_n(pool.begin() + static_cast<std::ptrdiff_t>(next), 16, b.begin());
    next += 16;
    return format_uuid(b);
  }
};

}  // namespace

IdSource& system_ids() {
  static SystemIds ids;
  return ids;
}

std::string SeededIds::uuid() {
  std::array<unsigned char, 16> b;
  std::lock_guard lock(mutex_);
  for (auto& byte : b) byte = static_cast<unsigned char>(random_());
  return format_uuid(b);
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return false;
    } else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) {
      return false;
    }
  }
  return true;
}

std::string random_hex(std::size_t bytes) {
  std::string raw(bytes, '\0');
  fill_random({reinterpret_cast<unsigned char*>(raw.data()), raw.size()});
  std::string text;
  text.reserve(bytes * 2);
  for (const char c : raw) {
    text += kHex[static_cast<unsigned char>(c) >> 4];
    text += kHex[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

}  // namespace dynflow
