#include "shared/launcher/secrets.h"

#include <algorithm>
#include <array>
#include <utility>

#include "shared/base/letter_case.h"

namespace dynflow::launcher {
namespace {

void mask(Json& value) {
  if (value.is_null()) return;
  if (!value.is_structured()) {
    value = kMask;
    return;
  }
  for (Json& part : value) mask(part);
}

bool is_empty(const Json& value) {
  return value.is_null() || (value.is_structured() && std::all_of(value.begin(), value.end(), is_empty));
}

}  // namespace

bool is_secret_name(std::string_view name) {
  static constexpr std::array<std::string_view, 3> kEndings{"password", "passphrase", "otp"};
  const std::string lower = lower_case(name);
  return std::any_of(kEndings.begin(), kEndings.end(), [&](std::string_view end) {
    return lower.ends_with(end) && (end != "otp" || lower.size() == end.size() || lower[lower.size() - 4] == '_');
  });
}

TakenSecrets take_secrets(Json input) {
  TakenSecrets taken;
  Json secrets = Json::object();
  if (input.is_object()) {
    if (const auto given = input.find("secrets"); given != input.end() && !is_empty(*given)) {
      if (given->is_object()) secrets = *given;
      mask(*given);
    }
    for (auto& [name, value] : input.items()) {
      if (value.is_null() || !is_secret_name(name)) continue;
      if (!secrets.contains(name) || secrets[name].is_null()) secrets[name] = value;
      mask(value);
    }
  }
  taken.input = std::move(input);
  if (!secrets.empty()) taken.secrets = std::move(secrets);
  return taken;
}

}  // namespace dynflow::launcher
