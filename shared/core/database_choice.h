// Which database the tasks are kept in: what the environment says comes before the settings.
//
// Threads: a pure function.
//
// Source: smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/core.rb:27-42 (DYNFLOW_DB_CONN_STRING); Sequel 5, lib/sequel/adapters/
// sqlite.rb (the forms of the URL).
#pragma once

#include <string>
#include <string_view>

#include "shared/base/result.h"

namespace dynflow::core {

// The file, a URL of PostgreSQL, or empty text for memory. `connection` is the value of DYNFLOW_DB_CONN_STRING, null when it is not set: ""
// and "sqlite:/" mean memory, "sqlite:///absolute/path" and "sqlite://relative/path" a file, whose options behind "?" are ignored;
// "postgresql://..." and "postgres://..." are passed on. Errors: kInvalid, one line without the value, which may hold a password.
Result<std::string> choose_database(const std::string& setting, const char* connection);

// Whether that is a URL of PostgreSQL.
bool is_postgres(std::string_view database);

}  // namespace dynflow::core
