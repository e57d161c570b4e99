#include "shared/engine/references.h"

#include <optional>

#include "shared/json/json.h"

namespace dynflow::engine {

namespace {

std::optional<OutputReference> as_reference(const Json& value) {
  if (!value.is_object() || json::get_string(value, "class") != kOutputReferenceClass) return std::nullopt;
  OutputReference reference;
  reference.plan_id = json::get_string(value, "execution_plan_id");
  reference.step_id = static_cast<int>(json::get_int(value, "step_id", 0));
  reference.action_id = static_cast<int>(json::get_int(value, "action_id", 0));
  if (const Json* subkeys = json::find(value, "subkeys"); subkeys && subkeys->is_array()) {
    for (const Json& key : *subkeys) reference.subkeys.push_back(key.is_string() ? key.get<std::string>() : json::dump(key));
  }
  return reference;
}

void collect(const Json& value, std::vector<OutputReference>& found) {
  if (!value.is_structured()) return;
  if (auto reference = as_reference(value)) {
    found.push_back(std::move(*reference));
    return;
  }
  for (const Json& part : value) collect(part, found);
}

}  // namespace

std::vector<OutputReference> find_references(const Json& input) {
  std::vector<OutputReference> found;
  collect(input, found);
  return found;
}

std::vector<OutputReference> find_references(std::string_view input_text) {
  if (input_text.find(kOutputReferenceClass) == std::string_view::npos) return {};
  auto input = json::parse(input_text);
  return input.ok() ? find_references(*input) : std::vector<OutputReference>();
}

void dereference(Json& input, const std::function<Json(const OutputReference&)>& output_of) {
  if (!input.is_structured()) return;
  if (const auto reference = as_reference(input)) {
    Json value = output_of(*reference);
    if (value.is_null()) {
      throw ActionError("KeyError", "no output of action " + std::to_string(reference->action_id) + " in plan " +
                                        reference->plan_id);
    }
    for (const std::string& key : reference->subkeys) {
      const Json* part = json::find(value, key);
      if (!part) throw ActionError("KeyError", "key not found: \"" + key + "\"");
      value = Json(*part);
    }
    input = std::move(value);
    return;
  }
  for (Json& part : input) dereference(part, output_of);
}

}  // namespace dynflow::engine
