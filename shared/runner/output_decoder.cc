#include "shared/runner/output_decoder.h"

#include <algorithm>

#include "shared/base/utf8.h"

namespace dynflow::runner {
namespace {

// How many bytes at the end of `text` may be the start of a character whose rest has not arrived.
std::size_t incomplete_tail(std::string_view text) {
  const std::size_t most = std::min<std::size_t>(3, text.size());
  for (std::size_t n = 1; n <= most; ++n) {
    const auto lead = static_cast<unsigned char>(text[text.size() - n]);
    if (lead < 0x80) return 0;
    if (lead < 0xC0) continue;  // a continuation byte: look further back
    if (lead < 0xC2 || lead > 0xF4) return 0;  // starts no character
    const std::size_t needs = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (needs <= n) return 0;
    // Ill-formed already (an over-long form, a surrogate): no reason to wait. A well-formed start is one step long.
    const Utf8Step step = utf8_step(text.substr(text.size() - n));
    return !step.is_valid && step.length == n ? n : 0;
  }
  return 0;
}

std::string without_nul(std::string text) {
  if (text.find('\0') == std::string::npos) return text;
  std::string out;
  out.reserve(text.size() + 16);
  for (const char c : text) {
    if (c == '\0') {
      out += kReplacementCharacter;
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string OutputDecoder::feed(std::string_view bytes) {
  std::string joined;
  if (!carry_.empty()) {
    joined = std::move(carry_);
    carry_.clear();
    joined += bytes;
    bytes = joined;
  }
  const std::size_t tail = incomplete_tail(bytes);
  carry_.assign(bytes.substr(bytes.size() - tail));
  return without_nul(to_valid_utf8(bytes.substr(0, bytes.size() - tail)));
}

std::string OutputDecoder::finish() {
  if (carry_.empty()) return {};
  carry_.clear();
  return std::string(kReplacementCharacter);
}

}  // namespace dynflow::runner
