// Turns batches into few statements: changes of the same kind become rows of one statement wherever their order does not matter.
//
// Changes that concern the same plan, event or callback keep their order; others commute, since all are one transaction. So
// the statements of a script come in rounds: a change goes to the first round in which it comes after all that it must come after.
//
// Threads: one at a time.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "shared/persistence/postgres/connection.h"
#include "shared/persistence/store.h"

namespace dynflow::persistence::postgres {

class Script {
 public:
  // `world`: the one that writes; what belongs to another is left alone, and fails the script with DF002. Empty: none is registered,
  // and everything may be written.
  explicit Script(std::string world) : world_(std::move(world)) {}

  void add(const WriteBatch& batch);
  // The change must live until send().
  void add(const WriteBatch::Change& change);
  // Queues all statements.
  void send(Connection& connection) const;

 private:
  // In the order in which they are run within a round.
  enum Kind {
    kInsertPlans,
    kReplacePlans,
    kInsertActions,
    kInsertSteps,
    kUpdatePlans,
    kUpdateSteps,
    kUpdateActions,
    kDropChunks,
    kAppendChunks,
    kPutEvents,
    kDeleteEvents,
    kPutOutbox,    // new ones
    kReputOutbox,  // with a version, or abandoned
    kDeleteOutbox,
    kPutDelayed,
    kDeleteDelayed,
    kPutSecrets,
    kDeleteSecrets,
    kReleaseLocks,
    kWakeOwners,
    kKindCount,
  };
  struct KindOfChange;  // the statements of a kind
  struct Round {
    std::array<std::unique_ptr<Columns>, kKindCount> columns;
  };
  // Where the last change of a plan, event or callback went.
  struct Cursor {
    std::size_t round = 0;
    Kind kind = kInsertPlans;
    std::vector<int> rows;  // touched by changes of this kind in this round
  };

  static const std::array<KindOfChange, kKindCount> kKinds;

  void add_change(const WriteBatch::InsertPlan& change);
  void add_change(const WriteBatch::UpdatePlan& change);
  void add_change(const WriteBatch::ReplacePlan& change);
  void add_change(const WriteBatch::UpdateStep& change);
  void add_change(const WriteBatch::UpdateAction& change);
  void add_change(const WriteBatch::AppendChunks& change);
  void add_change(const WriteBatch::DropChunks& change);
  void add_change(const WriteBatch::PutEvent& change);
  void add_change(const WriteBatch::DeleteEvent& change);
  void add_change(const WriteBatch::WakeOwner& change);
  void add_change(const WriteBatch::PutOutbox& change);
  void add_change(const WriteBatch::DeleteOutbox& change);
  void add_change(const WriteBatch::PutDelayed& change);
  void add_change(const WriteBatch::DeleteDelayed& change);
  void add_change(const WriteBatch::PutSecrets& change);
  void add_change(const WriteBatch::DeleteSecrets& change);
  void add_change(const WriteBatch::ReleaseLocks& change);
  void add_plan(const PlanRecord& plan, Kind kind);

  // The round for a change of that kind. `row`: a statement must not have it twice; kNoRow: it may have any.
  std::size_t place(std::string_view what, std::string_view id, Kind kind, int row);
  bool is_full(std::size_t round, Kind kind);
  Columns& columns(std::size_t round, Kind kind);

  const std::string world_;
  std::vector<Round> rounds_;
  std::unordered_map<std::string, Cursor> cursors_;
  bool wakes_all_ = false;  // something that any world may take up
};

}  // namespace dynflow::persistence::postgres
