// Tables of a database that is not ours, read as they are at one moment. Never written to.
//
// Threads: free functions; safe everywhere. Block as long as the server takes, at most a minute for each part.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/result.h"

namespace dynflow::persistence::postgres {

struct ForeignTable {
  std::string name;   // in the connection's search path
  std::string order;  // columns to sort by; empty: as they lie
};
struct ForeignColumn {
  std::string name;
  std::string type;  // as PostgreSQL names it: "integer", "bytea"
};

class ForeignRows {
 public:
  virtual ~ForeignRows() = default;
  // Once for each of the tables that is there, before its rows. An error ends the work with that error, here and below.
  virtual Status begin(const std::string& table, const std::vector<ForeignColumn>& columns) = 0;
  // bytea as bytes, boolean as 0 or 1, timestamps as "2020-01-31 12:59:59.000000", everything else as the server writes it.
  virtual Status row(const std::vector<std::optional<std::string>>& cells) = 0;
};

// Errors: kInvalid (no such URL), kUnavailable, and those of `rows`.
Status read_foreign_tables(const std::string& url, const std::vector<ForeignTable>& tables, ForeignRows& rows);

// Who else is connected to the database: "process 12 of the server (puma, from 10.0.0.7)".
Result<std::vector<std::string>> other_clients(const std::string& url);

}  // namespace dynflow::persistence::postgres
