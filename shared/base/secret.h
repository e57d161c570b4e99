// A text that must not be shown. It has no formatter and no stream operator, so that logging one does not
// compile; it is wiped when it goes. Equality is constant-time.
//
// Threads: a value.
#pragma once

#include <string>
#include <string_view>

namespace dynflow {

class Secret {
 public:
  Secret() = default;
  // Leaves nothing in the text that was given away.
  explicit Secret(std::string&& text);
  explicit Secret(const std::string& text) : text_(text) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { other.wipe(); }
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { wipe(); }

  // The text itself, for the one place that needs it.
  std::string_view reveal() const { return text_; }
  const char* reveal_c_str() const { return text_.c_str(); }
  bool empty() const { return text_.empty(); }

 private:
  void wipe();
  std::string text_;
};

// Takes the same time wherever the texts differ (their lengths are not hidden).
bool equal_in_constant_time(std::string_view a, std::string_view b);
inline bool operator==(const Secret& a, const Secret& b) { return equal_in_constant_time(a.reveal(), b.reveal()); }

}  // namespace dynflow
