// Bodies of launches, through the checks before anything is planned: entries are single, or by id.
#include "shared/json/json.h"
#include "shared/launcher/entry.h"
#include "tests/fuzz/target.h"

using namespace dynflow;

namespace {

void one(std::string id, const Json& entry, std::string_view override) {
  const launcher::LaunchContext context{"https://proxy.example.com:9090", "r1", "s1", "ssh"};
  auto parsed = launcher::parse_entry(std::move(id), entry, override, context);
  if (!parsed) {
    fuzz_check(!parsed.error().message().empty());
    return;
  }
  fuzz_check(parsed->digest.size() == 64 && parsed->input.is_object());
  fuzz_check(json::find(parsed->input, "secrets") == nullptr || !json::find(parsed->input, "secrets")->is_object() ||
             parsed->secrets.is_null() == json::find(*json::find(entry, "action_input"), "secrets")->is_null());
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
