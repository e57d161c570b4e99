#include "shared/log/text.h"

#include <fmt/format.h>

#include "shared/base/utf8.h"

namespace dynflow::log {

namespace {

bool is_harmless(unsigned char byte) { return (byte >= 0x20 && byte < 0x7F) || byte == '\t'; }

void append_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    std::size_t run = 0;
    while (run < text.size() && is_harmless(static_cast<unsigned char>(text[run]))) ++run;
    out += text.substr(0, run);
    text.remove_prefix(run);
    if (text.empty()) return;
    const Utf8Step step = utf8_step(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    if (!step.is_valid) {
      out += '?';
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\r') {
      out += "\\r";
    } else if (byte < 0x80) {
      out += fmt::format("\\x{:02x}", byte);
    } else if (byte == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) {
      // C1 controls: terminals take U+009B for the start of an escape sequence.
      out += fmt::format("\\u00{:02x}", static_cast<unsigned char>(text[1]));
    } else {
      out += text.substr(0, step.length);
    }
    text.remove_prefix(step.length);
  }
}

}  // namespace

std::string to_one_line(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  append_escaped(out, text);
  return out;
}

std::string to_indented_lines(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  std::string out;
  out.reserve(text.size() + 64);
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (!out.empty()) out += '\n';
    out += "  ";
    append_escaped(out, text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return out;
}

std::string cut_text(std::string text, std::size_t longest) {
  if (text.size() <= longest) return text;
  const std::size_t whole = text.size();
  std::size_t keep = longest;
  while (keep > 0 && (static_cast<unsigned char>(text[keep]) & 0xC0) == 0x80) --keep;
  text.resize(keep);
  text += fmt::format("... ({} bytes more)", whole - keep);
  return text;
}

}  // namespace dynflow::log
