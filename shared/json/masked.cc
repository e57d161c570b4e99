#include "shared/json/masked.h"

#include <algorithm>
#include <array>
#include <string>

#include "shared/base/letter_case.h"
#include "shared/json/json.h"

namespace dynflow::json {
namespace {

// Anywhere in a key.
constexpr std::array<std::string_view, 9> kTelling{"password",   "passwd",  "passphrase", "secret",    "token",
                                                   "privatekey", "apikey",  "credential", "vaultpass"};
// As a word of a key.
constexpr std::array<std::string_view, 5> kWords{"pass", "otp", "pwd", "authorization", "cookie"};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool has_word(std::string_view key, std::string_view word) {
  for (auto at = key.find(word); at != std::string_view::npos; at = key.find(word, at + 1)) {
    const bool begins = at == 0 || !is_letter(key[at - 1]);
    const auto end = at + word.size();
    if (begins && (end == key.size() || !is_letter(key[end]))) return true;
  }
  return false;
}

}  // namespace

bool is_secret_key(std::string_view key) {
  const std::string text = lower_case(key);
  std::string joined;
  std::copy_if(text.begin(), text.end(), std::back_inserter(joined), is_letter);
  return std::any_of(kTelling.begin(), kTelling.end(), [&](std::string_view part) { return joined.find(part) != std::string::npos; }) ||
         std::any_of(kWords.begin(), kWords.end(), [&](std::string_view word) { return has_word(text, word); });
}

void mask_secrets(Json& document) {
  if (document.is_array()) {
    for (Json& item : document) mask_secrets(item);
    return;
  }
  if (!document.is_object()) return;
  for (auto& [key, value] : document.items()) {
    if (!is_secret_key(key)) {
      mask_secrets(value);
      continue;
    }
    const bool says_nothing = value.is_null() || value.is_boolean() || value.empty() ||
                              (value.is_string() && value.get_ref<const std::string&>().empty());
    if (!says_nothing) value = std::string(kMask);
  }
}

}  // namespace dynflow::json
