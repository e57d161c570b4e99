#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "shared/base/letter_case.h"
#include "shared/settings/yaml.h"

namespace dynflow::settings {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80; }

// Reads what the regular expressions of Psych describe, from left to right.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}
  bool is_done() const { return rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_[0]; }
  bool take(char c) {
    if (peek() != c || rest_.empty()) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void take_sign() {
    if (peek() == '-' || peek() == '+') rest_.remove_prefix(1);
  }
  // How many characters of the set, at most `most`, were taken.
  std::size_t take_all(std::string_view set, std::size_t most = std::string_view::npos) {
    std::size_t count = 0;
    while (count < most && count < rest_.size() && set.find(rest_[count]) != std::string_view::npos) ++count;
    rest_.remove_prefix(count);
    return count;
  }

 private:
  std::string_view rest_;
};

constexpr std::string_view kDigits = "0123456789";

// /^[^\d.:-]?[[:alpha:]_\s!@#$%\^&*(){}<>|\/\\~;=]+/
bool looks_like_a_word(std::string_view text) {
  const auto is_wordy = [](char c) {
    return is_alpha(c) || std::string_view("_ \t\r\n\v\f!@#$%^&*(){}<>|/\\~;=").find(c) != std::string_view::npos;
  };
  if (is_wordy(text[0])) return true;
  const bool may_be_skipped = !is_digit(text[0]) && text[0] != '.' && text[0] != ':' && text[0] != '-';
  return may_be_skipped && text.size() > 1 && is_wordy(text[1]);
}

// A date, or a date with a time behind it.
bool is_date(std::string_view text) {
  Reader reader(text);
  reader.take('-');
  if (reader.take_all(kDigits, 4) != 4 || !reader.take('-') || reader.take_all(kDigits, 2) == 0 ||
      !reader.take('-') || reader.take_all(kDigits, 2) == 0) {
    return false;
  }
  if (reader.is_done()) return true;
  if (!reader.take('T') && !reader.take('t') && reader.take_all(" \t") == 0) return false;
  if (reader.take_all(kDigits, 2) == 0 || !reader.take(':') || reader.take_all(kDigits, 2) != 2) return false;
  return reader.take(':') && reader.take_all(kDigits, 2) == 2;
}

// 12:30 or 1:30:20, also with a fraction; the last part of two is minutes (a quirk of Psych).
struct Sexagesimal {
  double seconds;
  bool has_fraction;
};
std::optional<Sexagesimal> sexagesimal(std::string_view text) {
  Reader reader(text);
  reader.take_sign();
  if (!is_digit(reader.peek())) return std::nullopt;
  reader.take_all("0123456789_");
  int parts = 1;
  while (parts < 3 && reader.take(':')) {
    const bool is_small = reader.peek() >= '0' && reader.peek() <= '5';
    const std::size_t digits = reader.take_all(kDigits, 2);
    if (digits == 0 || (digits == 2 && !is_small)) return std::nullopt;
    ++parts;
  }
  if (parts == 1) return std::nullopt;
  const bool has_fraction = reader.take('.');
  if (has_fraction) reader.take_all("0123456789_");
  if (!reader.is_done()) return std::nullopt;

  double total = 0;  // only the first part carries the sign, as in Psych
  double weight = 3600;
  std::string part;
  const auto add = [&] {
    part.erase(std::remove(part.begin(), part.end(), '_'), part.end());
    const double number = std::strtod(part.c_str(), nullptr);
    total += number * weight;
    weight /= 60;
    part.clear();
  };
  for (const char c : text) {
    if (c == ':') {
      add();
    } else {
      part += c;
    }
  }
  add();
  return Sexagesimal{total, has_fraction};
}

// /^[-+]?([0-9][0-9_,]*)?\.[0-9]*([eE][+-][0-9]+)?$/
bool is_float(std::string_view text) {
  Reader reader(text);
  reader.take_sign();
  if (is_digit(reader.peek())) reader.take_all("0123456789_,");
  if (!reader.take('.')) return false;
  reader.take_all(kDigits);
  if (reader.take('e') || reader.take('E')) {
    if (reader.peek() != '+' && reader.peek() != '-') return false;
    reader.take_sign();
    if (reader.take_all(kDigits) == 0) return false;
  }
  return reader.is_done() && text.find_first_of(kDigits) != std::string_view::npos;
}

// The base of an integer, or 0 when it is none.
int integer_base(std::string_view text) {
  Reader reader(text);
  reader.take_sign();
  if (reader.take('0')) {
    if (reader.is_done()) return 10;
    if (reader.take('b')) return reader.take_all("01_,") > 0 && reader.is_done() ? 2 : 0;
    if (reader.take('x')) return reader.take_all("0123456789abcdefABCDEF_,") > 0 && reader.is_done() ? 16 : 0;
    return reader.take_all("01234567_,") > 0 && reader.is_done() ? 8 : 0;
  }
  if (!is_digit(reader.peek())) return 0;
  reader.take_all(kDigits);
  while (reader.take(',') || reader.take('_')) {
    if (reader.take_all(kDigits) == 0) return 0;
  }
  return reader.is_done() ? 10 : 0;
}

std::string without_marks(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != '_' && c != ',') out += c;
  }
  return out;
}

Result<std::int64_t> integer_value(std::string_view text, int base) {
  std::string digits = without_marks(text);
  const bool is_negative = digits[0] == '-';
  if (digits[0] == '-' || digits[0] == '+') digits.erase(0, 1);
  if (base == 2 || base == 16) digits.erase(0, 2);
  if (is_negative) digits.insert(0, 1, '-');
  std::int64_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, value, base);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    return Error(Code::kInvalid, "the number " + std::string(text) + " does not fit into 64 bits");
  }
  return value;
}

Node node_of(NodeType type, std::string_view text) {
  Node node;
  node.type = type;
  node.text = text;
  return node;
}

Node bool_node(bool value, std::string_view text) {
  Node node = node_of(NodeType::kBool, text);
  node.boolean = value;
  return node;
}

Node float_node(double value, std::string_view text) {
  Node node = node_of(NodeType::kFloat, text);
  node.real = value;
  return node;
}

Node int_node(std::int64_t value, std::string_view text) {
  Node node = node_of(NodeType::kInt, text);
  node.integer = value;
  node.real = static_cast<double>(value);
  return node;
}

Node word_node(std::string_view text) {
  const std::string word = lower_case(text);
  if (word == "~" || word == "null") return node_of(NodeType::kNull, text);
  if (word == "yes" || word == "true" || word == "on") return bool_node(true, text);
  if (word == "no" || word == "false" || word == "off") return bool_node(false, text);
  return node_of(NodeType::kString, text);
}

Node symbol_node(std::string_view text) {
  text.remove_prefix(1);
  const bool is_quoted =
      text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && (text.back() == '"' || text.back() == '\'');
  if (is_quoted) text = text.substr(1, text.size() - 2);
  return node_of(NodeType::kSymbol, text);
}

}  // namespace

Result<Node> resolve_plain_scalar(std::string_view text) {
  if (text.empty()) return Node{};
  if (looks_like_a_word(text) || text.find('\n') != std::string_view::npos) return word_node(text);
  if (is_date(text)) return Error(Code::kInvalid, "dates are not allowed here; put " + std::string(text) + " in quotes");
  const std::string word = lower_case(text);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (word == ".inf" || word == "+.inf") return float_node(kInfinity, text);
  if (word == "-.inf") return float_node(-kInfinity, text);
  if (word == ".nan") return float_node(std::numeric_limits<double>::quiet_NaN(), text);
  if (text[0] == ':' && text.size() > 1) return symbol_node(text);
  if (const auto parsed = sexagesimal(text)) {
    if (parsed->has_fraction) return float_node(parsed->seconds, text);
    if (std::abs(parsed->seconds) > 9e15) return Error(Code::kInvalid, "the number " + std::string(text) + " is too big");
    return int_node(static_cast<std::int64_t>(parsed->seconds), text);
  }
  if (is_float(text)) {
    const std::string digits = without_marks(text);
    double value = 0;
    const char* begin = digits.data() + (digits[0] == '+' ? 1 : 0);
    std::from_chars(begin, digits.data() + digits.size(), value);
    return float_node(value, text);
  }
  if (const int base = integer_base(text); base != 0) {
    const auto value = integer_value(text, base);
    if (!value.ok()) return value.error();
    return int_node(*value, text);
  }
  return node_of(NodeType::kString, text);
}

}  // namespace dynflow::settings
