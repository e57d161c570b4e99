// Cells of Ruby databases of both eras, times, and the class names within documents.
#include "migration/state/ruby_values.h"
#include "tests/fuzz/target.h"

using namespace dynflow;

void fuzz(std::string_view bytes) {
  for (const auto era : {migration::RubyEra::kJson, migration::RubyEra::kMessagePack}) {
    auto value = migration::decode_ruby(bytes, era);
    if (!value) {
      fuzz_check(!value.error().message().empty());
      continue;
    }
    migration::rename_classes(*value);
    const std::string text = json::dump(*value);
    const auto again = json::parse(text);
    fuzz_check(static_cast<bool>(again));
    // A second pass finds nothing to rename.
    Json twice = *again;
    migration::rename_classes(twice);
    fuzz_check(json::dump(twice) == text);
  }
  static_cast<void>(migration::parse_ruby_time(bytes));
  const std::string name = migration::current_class_name(bytes);
  fuzz_check(migration::current_class_name(name) == name);
}
