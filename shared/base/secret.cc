#include "shared/base/secret.h"

#include "shared/base/wiped_memory.h"

namespace dynflow {

Secret::Secret(std::string&& text) : text_(std::move(text)) {
  // A short one is copied, not moved.
  text.resize(text.capacity());
  dynflow::wipe(text);
}

Secret& Secret::operator=(const Secret& other) {
  if (this != &other) {
    wipe();
    text_ = other.text_;
  }
  return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    text_ = std::move(other.text_);
    other.wipe();
  }
  return *this;
}

void Secret::wipe() {
  // Up to the capacity: a moved-from short string keeps its bytes.
  text_.resize(text_.capacity());
  dynflow::wipe(text_);
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<unsigned char>(difference | (static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i])));
  }
  volatile unsigned char result = difference;
  return result == 0;
}

}  // namespace dynflow
