// Questions that tests ask a store; one that cannot be answered fails the test.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "shared/persistence/store.h"

namespace dynflow::persistence {

void require_code(const Status& status, Code code);
template <class T>
void require_code(const Result<T>& result, Code code) {
  require_code(result.ok() ? Status() : Status(result.error()), code);
}
void require_ok(const Status& status);
// The value of a result that has one.
template <class T>
T get(Result<T> result) {
  require_ok(result.ok() ? Status() : Status(result.error()));
  return std::move(*result);
}

std::int64_t count(Store& store, std::optional<PlanState> state = std::nullopt);
std::vector<std::string> unfinished(Store& store);
std::vector<OutputChunk> chunks(Store& store, const std::string& plan, int action, std::int64_t after = 0,
                                std::size_t limit = 0);
OutboxRecord without_version(OutboxRecord entry);
// The only entry that is due at any time.
OutboxRecord only_entry(Store& store);
template <class Record>
std::vector<std::string> ids_of(const std::vector<Record>& records) {
  std::vector<std::string> ids;
  for (const Record& record : records) ids.push_back(record.id);
  return ids;
}
WorldRecord sample_world(const std::string& id);
// A plan in that state, of that world.
WriteBatch plan_in_state(const std::string& id, PlanState state, PlanResult result = PlanResult::kPending,
                         const std::string& owner = "");

}  // namespace dynflow::persistence
