// Bodies of launches, through the checks before anything is planned: entries are single, or by id.
#include <algorithm>

#include "shared/json/json.h"
#include "shared/launcher/entry.h"
#include "tests/fuzz/target.h"

using namespace dynflow;

namespace {

// Nothing is hidden where there is nothing.
bool says_something(const Json& value) {
  return value.is_structured() ? std::any_of(value.begin(), value.end(), says_something) : !value.is_null();
}

void one(std::string id, const Json& entry, std::string_view override) {
  const launcher::LaunchContext context{"https://proxy.example.com:9090", "r1", "s1", "ssh"};
  auto parsed = launcher::parse_entry(std::move(id), entry, override, context);
  if (!parsed) {
    fuzz_check(!parsed.error().message().empty());
    return;
  }
  fuzz_check(parsed->digest.size() == 64 && parsed->input.is_object());
  const Json* given = json::find(*json::find(entry, "action_input"), "secrets");
  fuzz_check(given == nullptr || !given->is_object() || !says_something(*given) || !parsed->secrets.is_null());
  fuzz_check(!json::dump(launcher::outline(*parsed)).empty());
  const auto request = launcher::to_request(std::move(*parsed), context);
  fuzz_check(!request.action_class.empty());
}

}  // namespace

void fuzz(std::string_view bytes) {
  json::Limits limits;
  limits.bytes = 64 * 1024;
  const auto document = json::parse(bytes, limits);
  if (!document) return;
  one("", *document, "");
  const Json* input = json::find(*document, "input");
  if (input == nullptr) return;
  one("", *input, "");
  if (!input->is_object()) return;
  for (const auto& [id, entry] : input->items()) one(id, entry, "Override");
}
