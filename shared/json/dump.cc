#include <array>
#include <charconv>
#include <cmath>

#include "shared/base/utf8.h"
#include "shared/json/json.h"

namespace dynflow::json {

namespace {

// Deep enough for all that the parser admits and all that we build; shallow enough for a 256 kB stack.
constexpr int kDeepest = 1000;

template <class Integer>
void write_integer(std::string& out, Integer value) {
  std::array<char, 24> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  out.append(text.data(), end);
}

void write(std::string& out, const Json& value, int depth) {
  switch (value.type()) {
    case Json::value_t::boolean:
      out += value.get<bool>() ? "true" : "false";
      return;
    case Json::value_t::number_integer:
      return write_integer(out, value.get<std::int64_t>());
    case Json::value_t::number_unsigned:
      return write_integer(out, value.get<std::uint64_t>());
    case Json::value_t::number_float:
      return dump_double_to(out, value.get<double>());
    case Json::value_t::string:
      return dump_string_to(out, value.get_ref<const std::string&>());
    case Json::value_t::array: {
      if (depth >= kDeepest) break;
      char separator = '[';
      for (const Json& element : value.get_ref<const Json::array_t&>()) {
        out += separator;
        write(out, element, depth + 1);
        separator = ',';
      }
      out += separator == '[' ? "[]" : "]";
      return;
    }
    case Json::value_t::object: {
      if (depth >= kDeepest) break;
      char separator = '{';
      for (const auto& member : value.get_ref<const Json::object_t&>()) {
        out += separator;
        dump_string_to(out, member.first);
        out += ':';
        write(out, member.second, depth + 1);
        separator = ',';
      }
      out += separator == '{' ? "{}" : "}";
      return;
    }
    case Json::value_t::null:
    case Json::value_t::binary:
    case Json::value_t::discarded:
      break;
  }
  out += "null";
}

// What stands after the backslash; 0: nothing to escape; 'u': the long form.
char escape_of(char c) {
  switch (c) {
    case '"':
    case '\\':
      return c;
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return static_cast<unsigned char>(c) < 0x20 ? 'u' : '\0';
  }
}

}  // namespace

std::string dump(const Json& value) {
  std::string out;
  dump_to(out, value);
  return out;
}

void dump_to(std::string& out, const Json& value) { write(out, value, 0); }

void dump_string_to(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  std::size_t copied = 0;  // everything before is in `out` already
  std::size_t at = 0;
  const auto flush = [&] { out.append(text.data() + copied, at - copied); };
  while (at < text.size()) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte >= 0x80) {
      const Utf8Step step = utf8_step(text.substr(at));
      if (!step.is_valid) {
        flush();
        out += kReplacementCharacter;
        copied = at + step.length;
      }
      at += step.length;
      continue;
    }
    if (const char escape = escape_of(text[at]); escape != '\0') {
      flush();
      out += '\\';
      out += escape;
      if (escape == 'u') {
        out += "00";
        out += kHex[byte >> 4];
        out += kHex[byte & 15];
      }
      copied = at + 1;
    }
    ++at;
  }
  flush();
  out += '"';
}

// Float#to_s of Ruby (ruby 2.7, numeric.c, flo_to_s), which is what its json gem writes.
void dump_double_to(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  if (std::signbit(value)) {
    out += '-';
    value = -value;
  }
  if (value == 0) {
    out += "0.0";
    return;
  }
  // "d.ddde-07": the shortest digits that read back as the same number.
  std::array<char, 40> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific).ptr;
  const std::string_view scientific(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  const auto e = scientific.find('e');
  int exponent = 0;
  const char* digits_of_exponent = scientific.data() + e + (scientific[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits_of_exponent, end, exponent);
  std::string digits(1, scientific[0]);
  if (e > 2) digits += scientific.substr(2, e - 2);
  const auto count = static_cast<int>(digits.size());
  if (exponent >= 0 && exponent < 16) {
    if (count <= exponent + 1) {
      out += digits;
      out.append(static_cast<std::size_t>(exponent + 1 - count), '0');
      out += ".0";
    } else {
      digits.insert(static_cast<std::size_t>(exponent + 1), ".");
      out += digits;
    }
  } else if (exponent < 0 && exponent >= -4) {
    out += "0.";
    out.append(static_cast<std::size_t>(-exponent - 1), '0');
    out += digits;
  } else {
    out += digits[0];
    out += '.';
    out += count > 1 ? std::string_view(digits).substr(1) : std::string_view("0");
    out += exponent < 0 ? "e-" : "e+";
    const int size = std::abs(exponent);
    if (size < 10) out += '0';
    write_integer(out, size);
  }
}

}  // namespace dynflow::json
