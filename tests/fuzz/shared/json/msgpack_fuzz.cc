// Cells of Ruby databases: what is taken can be written as JSON, read again, and says the same.
#include "shared/json/json.h"
#include "shared/json/msgpack.h"
#include "tests/fuzz/target.h"

using namespace dynflow;

void fuzz(std::string_view bytes) {
  json::Limits limits;
  limits.bytes = 64 * 1024;
  limits.keys = 100;
  limits.values = 1000;
  const auto parsed = json::parse_msgpack(bytes, limits);
  if (!parsed) {
    fuzz_check(!parsed.error().message().empty());
    return;
  }
  const std::string text = json::dump(*parsed);
  const auto again = json::parse(text);
  fuzz_check(static_cast<bool>(again));
  fuzz_check(json::dump(*again) == text);
}
