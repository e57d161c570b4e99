#include "migration/command.h"

#include <charconv>

namespace dynflow::migration {

std::string Arguments::get(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::string() : found->second;
}

Result<std::optional<long>> Arguments::number(std::string_view name) const {
  if (!has(name)) return std::optional<long>();
  const std::string text = get(name);
  long value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  constexpr long kMost = 1'000'000'000;  // of seconds that is for ever
  if (problem != std::errc() || end != text.data() + text.size() || value < 0 || value > kMost) {
    return Error(Code::kInvalid, "--" + std::string(name) + ": expected a whole number from 0 to " + std::to_string(kMost) + ", got '" + text + "'");
  }
  return std::optional(value);
}

std::vector<std::string_view> words_of(const Option& option) {
  std::vector<std::string_view> words;
  std::string_view rest = option.value_name;
  if (rest.find('|') == std::string_view::npos) return words;
  while (!rest.empty()) {
    const auto bar = rest.find('|');
    words.push_back(rest.substr(0, bar));
    rest = bar == std::string_view::npos ? std::string_view() : rest.substr(bar + 1);
  }
  return words;
}

}  // namespace dynflow::migration
