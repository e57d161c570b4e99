// Settings files: the text as YAML, and what was read through the tables of the three kinds of files.
#include "shared/settings/core_service.h"
#include "shared/settings/global.h"
#include "shared/settings/yaml.h"
#include "tests/fuzz/target.h"

using namespace dynflow;

void fuzz(std::string_view bytes) {
  const auto document = settings::parse_yaml(bytes, "settings.yml");
  if (!document) {
    fuzz_check(document.error().message().find('\n') == std::string::npos);
    return;
  }
  for (const settings::Table* table : {&settings::global_table(), &settings::core_service_table()}) {
    const auto values = settings::Values::read(*table, document->root, settings::StringKeys::kAccepted);
    if (!values) fuzz_check(!values.error().message().empty());
  }
}
