#include "shared/core/database_choice.h"

#include <fmt/core.h>

#include <string_view>

namespace dynflow::core {
namespace {

constexpr std::string_view kVariable = "DYNFLOW_DB_CONN_STRING";
constexpr std::string_view kForms = "sqlite:///absolute/path, sqlite:/ and the empty text are";

}  // namespace

Result<std::string> choose_database(const std::string& setting, const char* connection) {
  if (connection == nullptr) return setting;
  std::string_view url = connection;
  url = url.substr(0, url.find('?'));
  if (url.empty() || url == "sqlite:/" || url == "sqlite://" || url == "sqlite:///") return std::string();
  constexpr std::string_view kPrefix = "sqlite://";
  if (url.starts_with(kPrefix)) return std::string(url.substr(kPrefix.size()));
  const auto colon = url.find(':');
  if (colon == std::string_view::npos || url.starts_with("sqlite:")) {
    return Error(Code::kInvalid, fmt::format("{} is no URL of a database: {} understood", kVariable, kForms));
  }
  return Error(Code::kInvalid, fmt::format("{}: databases of the kind '{}' come with a later version: {} understood", kVariable,
                                           url.substr(0, colon), kForms));
}

}  // namespace dynflow::core
