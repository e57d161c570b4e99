#include "shared/base/utf8.h"

namespace dynflow {

namespace {

struct Lead {
  std::size_t length;
  unsigned char second_min;
  unsigned char second_max;
};

// Table 3-7 of the Unicode standard: what the second byte may be depends on the first one.
Lead lead_of(unsigned char byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {1, 0, 0};
}

}  // namespace

Utf8Step utf8_step(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (at(0) < 0x80) return {1, true};
  const Lead lead = lead_of(at(0));
  if (lead.length == 1) return {1, false};
  std::size_t good = 1;
  while (good < lead.length && good < text.size()) {
    const unsigned char low = good == 1 ? lead.second_min : 0x80;
    const unsigned char high = good == 1 ? lead.second_max : 0xBF;
    if (at(good) < low || at(good) > high) break;
    ++good;
  }
  return {good, good == lead.length};
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    if (!step.is_valid) return false;
    text.remove_prefix(step.length);
  }
  return true;
}

std::string to_valid_utf8(std::string_view text, std::string_view replacement) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    out += step.is_valid ? text.substr(0, step.length) : replacement;
    text.remove_prefix(step.length);
  }
  return out;
}

}  // namespace dynflow
