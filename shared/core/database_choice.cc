#include "shared/core/database_choice.h"

#include <fmt/core.h>

namespace dynflow::core {
namespace {

constexpr std::string_view kVariable = "DYNFLOW_DB_CONN_STRING";
constexpr std::string_view kForms = "postgresql://..., sqlite:///absolute/path, sqlite:/ and the empty text are";

}  // namespace

Result<std::string> choose_database(const std::string& setting, const char* connection) {
  if (connection == nullptr) return setting;
  std::string_view url = connection;
  if (is_postgres(url)) return std::string(url);
  url = url.substr(0, url.find('?'));
  if (url.empty() || url == "sqlite:/" || url == "sqlite://" || url == "sqlite:///") return std::string();
  constexpr std::string_view kPrefix = "sqlite://";
  if (url.starts_with(kPrefix)) return std::string(url.substr(kPrefix.size()));
  const auto colon = url.find(':');
  if (colon == std::string_view::npos || url.starts_with("sqlite:")) {
    return Error(Code::kInvalid, fmt::format("{} is no URL of a database: {} understood", kVariable, kForms));
  }
  return Error(Code::kInvalid, fmt::format("{}: no databases of the kind '{}': {} understood", kVariable, url.substr(0, colon), kForms));
}

bool is_postgres(std::string_view database) {
  return database.starts_with("postgresql://") || database.starts_with("postgres://");
}

}  // namespace dynflow::core
