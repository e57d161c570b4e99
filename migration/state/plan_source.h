// Where plans are read from: a Ruby dynflow database, or one of ours. Never written to.
//
// Threads: one at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shared/base/result.h"
#include "shared/persistence/records.h"

namespace dynflow::migration {

// A plan with all that belongs to it.
struct StoredPlan {
  persistence::PlanRecord plan;
  std::vector<std::pair<int, std::vector<persistence::OutputChunk>>> chunks;  // by action
  std::optional<persistence::DelayedRecord> delayed;
  std::vector<persistence::EventRecord> events;
  std::vector<persistence::OutboxRecord> callbacks;
  bool had_secrets = false;  // they were masked on the way
};

// What a list shows.
struct PlanSummary {
  std::string id;
  std::string label;
  std::string state;   // as it is stored; perhaps no word that is known
  std::string result;
  std::optional<Time> started_at;
  std::optional<Time> ended_at;
};

class PlanSource {
 public:
  virtual ~PlanSource() = default;
  // "Ruby dynflow, schema 24, MessagePack".
  virtual std::string kind() const = 0;
  // Why it may be in use, one line each; empty: it is at rest.
  virtual Result<std::vector<std::string>> signs_of_life() = 0;
  // All plans, in the order in which they were stored.
  virtual Result<std::vector<PlanSummary>> list() = 0;
  // Errors: kNotFound; kCorrupt and kUnprocessable: this plan cannot be moved, the text says why; others concern the whole source.
  virtual Result<StoredPlan> load(const std::string& id) = 0;
};

// `database`: a file, or a URL of PostgreSQL. A file is copied first and told apart by its tables. Errors: kNotFound, kUnavailable, kCorrupt (no database), kInvalid (no tables of dynflow, a schema that is not
// known), kConflict (it is being written to).
Result<std::unique_ptr<PlanSource>> open_source(const std::string& database);

// Whether tasks may be written there. Errors: kInvalid: it is the source, by whatever name, or a file of somebody else's tables, Ruby's above
// all: with ours among them neither would be read again.
Status check_target(const std::string& source, const std::string& target);

}  // namespace dynflow::migration
