#include "shared/api/console/html.h"

#include <cstdint>

namespace dynflow::api::console {
namespace {

// U+2400 and following are pictures of the control characters.
void add_picture(std::string& out, unsigned char control) {
  out += "\xE2\x90";
  out += static_cast<char>(0x80 + control);
}

// The length of a character that changes the direction of the text behind it (U+202A to U+202E, U+2066 to U+2069), else 0.
std::size_t direction_mark(std::string_view rest) {
  if (rest.size() < 3 || rest[0] != '\xE2') return 0;
  const auto second = static_cast<unsigned char>(rest[1]);
  const auto third = static_cast<unsigned char>(rest[2]);
  const bool is_mark = (second == 0x80 && third >= 0xAA && third <= 0xAE) || (second == 0x81 && third >= 0xA6 && third <= 0xA9);
  return is_mark ? 3 : 0;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      case '\n':
      case '\r':
      case '\t': out += c; break;
      case '\x7F': out += "\xE2\x90\xA1"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          add_picture(out, static_cast<unsigned char>(c));
        } else if (const std::size_t length = direction_mark(text.substr(at)); length > 0) {
          out += "\xEF\xBF\xBD";
          at += length - 1;
        } else {
          out += c;
        }
    }
  }
  return out;
}

std::string Html::markup(std::string_view text) { return escaped(text); }

void Html::fill(std::string_view form, std::span<const std::string> parts) {
  for (const std::string& part : parts) {
    const std::size_t hole = form.find("{}");
    text_ += form.substr(0, hole);
    text_ += part;
    form.remove_prefix(hole == std::string_view::npos ? form.size() : hole + 2);
  }
  text_ += form;
}

}  // namespace dynflow::api::console
