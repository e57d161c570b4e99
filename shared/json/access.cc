#include <limits>

#include "shared/json/json.h"

namespace dynflow::json {

const Json* find(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  for (const auto& member : object.get_ref<const Json::object_t&>()) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

std::string get_string(const Json& object, std::string_view key, std::string_view fallback) {
  const Json* member = find(object, key);
  if (member == nullptr || !member->is_string()) return std::string(fallback);
  return member->get_ref<const std::string&>();
}

bool get_bool(const Json& object, std::string_view key, bool fallback) {
  const Json* member = find(object, key);
  return member != nullptr && member->is_boolean() ? member->get<bool>() : fallback;
}

std::int64_t get_int(const Json& object, std::string_view key, std::int64_t fallback) {
  const Json* member = find(object, key);
  if (member == nullptr || !member->is_number_integer()) return fallback;
  if (member->is_number_unsigned() &&
      member->get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return fallback;
  }
  return member->get<std::int64_t>();
}

}  // namespace dynflow::json
