#include "shared/base/wiped_memory.h"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shared/base/fd.h"
#include "shared/base/ids.h"
#include "shared/base/secret.h"

using namespace dynflow;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kHasSanitizer = true;
#else
constexpr bool kHasSanitizer = false;
#endif

// A text that is nowhere in memory unless somebody asks for it: kept with its bits turned over.
class Needle {
 public:
  explicit Needle(std::size_t size) : hidden_(random_hex(size / 2)) {
    for (char& c : hidden_) c = static_cast<char>(~c);
  }
  std::string text() const {
    std::string result(hidden_.size(), ' ');
    std::transform(hidden_.begin(), hidden_.end(), result.begin(), [](char c) { return static_cast<char>(~c); });
    return result;
  }
  bool is_in(const std::vector<char>& bytes) const {
    return std::search(bytes.begin(), bytes.end(), hidden_.begin(), hidden_.end(),
                       [](char found, char hidden) { return found == static_cast<char>(~hidden); }) != bytes.end();
  }

 private:
  std::string hidden_;
};

// Whether it is anywhere on the heap of this process.
bool is_in_heap(const Needle& needle) {
  std::ifstream maps("/proc/self/maps");
  const Fd memory(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
  std::vector<char> bytes;
  for (std::string line; std::getline(maps, line);) {
    if (!line.ends_with("[heap]")) continue;
    const auto dash = line.find('-');
    const auto begin = std::stoull(line.substr(0, dash), nullptr, 16);
    bytes.resize(std::stoull(line.substr(dash + 1, line.find(' ')), nullptr, 16) - begin);
    REQUIRE(::pread(memory.get(), bytes.data(), bytes.size(), static_cast<off_t>(begin)) == static_cast<ssize_t>(bytes.size()));
    if (needle.is_in(bytes)) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("memory is wiped when it is freed") {
  if (kHasSanitizer) return;
  // Sizes on both sides of what an allocator treats differently, below the one it asks the kernel for.
  for (const std::size_t size : {std::size_t{16}, std::size_t{64}, std::size_t{1000}, std::size_t{4096}, std::size_t{65536}}) {
    const Needle needle(size);
    {
      auto text = std::make_unique<std::string>(needle.text());
      REQUIRE(is_in_heap(needle));
      const auto copy = std::make_unique<std::vector<char>>(text->begin(), text->end());
      text->append(*text);  // moves to a larger block
    }
    CHECK_FALSE(is_in_heap(needle));
  }
}

TEST_CASE("a wiped text is empty and keeps its memory") {
  const Needle needle(4000);
  std::string text = needle.text();
  const auto capacity = text.capacity();
  wipe(text);
  CHECK(text.empty());
  CHECK(text.capacity() == capacity);
  CHECK(std::all_of(text.data(), text.data() + 4000, [](char c) { return c == '\0'; }));
}

TEST_CASE("a secret leaves nothing of a short text behind") {
  alignas(std::string) unsigned char place[sizeof(std::string)];
  const Needle needle(14);
  auto* text = new (place) std::string(needle.text());  // short enough to stand in the object itself
  {
    const Secret secret(std::move(*text));
    CHECK(secret.reveal() == needle.text());
  }
  CHECK_FALSE(needle.is_in(std::vector<char>(place, place + sizeof place)));
  std::destroy_at(text);
}
