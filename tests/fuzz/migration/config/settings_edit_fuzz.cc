// Edits of settings files: the first line is the value, the rest the file.
#include "migration/config/edit.h"
#include "shared/settings/yaml.h"
#include "tests/fuzz/target.h"

using namespace dynflow;

void fuzz(std::string_view bytes) {
  constexpr std::string_view kKey = "external_core";
  const auto line = bytes.find('\n');
  if (line == std::string_view::npos) return;
  const std::string_view value = bytes.substr(0, line);
  const std::string_view text = bytes.substr(line + 1);

  const auto set = migration::set_key(text, kKey, value);
  if (set) {
    fuzz_check(static_cast<bool>(settings::parse_yaml(*set, "settings.yml")));
    // The same once more changes nothing.
    const auto again = migration::set_key(*set, kKey, value);
    fuzz_check(again && *again == *set);
    // What read so already is left as it is written, however oddly.
    fuzz_check(*set == text || migration::written_value(*set, kKey).has_value());
    fuzz_check((*set == text) == migration::unified_diff("settings.yml", text, *set).empty());
    const auto unset = migration::unset_key(*set, kKey);
    // What would read otherwise than wanted is refused.
    fuzz_check(unset ? !migration::written_value(*unset, kKey) : !unset.error().message().empty());
  } else {
    fuzz_check(!set.error().message().empty());
  }
}
