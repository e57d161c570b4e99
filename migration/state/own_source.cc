#include "migration/state/own_source.h"

#include <fmt/format.h>

#include <map>

#include "shared/json/json.h"
#include "shared/persistence/postgres/postgres_store.h"
#include "shared/persistence/sqlite/sqlite_store.h"

namespace dynflow::migration {

using persistence::Store;

namespace {

constexpr std::size_t kAllCallbacks = 10'000'000;

class OwnSource final : public PlanSource {
 public:
  OwnSource(std::string kind, std::string original, std::unique_ptr<Store> store, std::optional<DatabaseCopy> copy)
      : kind_(std::move(kind)), original_(std::move(original)), copy_(std::move(copy)), store_(std::move(store)) {}
  ~OwnSource() override { store_->stop(); }

  std::string kind() const override { return kind_; }

  Result<std::vector<std::string>> signs_of_life() override {
    if (copy_) return users_of(original_);
    const auto worlds = store_->load_worlds();
    if (!worlds) return worlds.error();
    std::vector<std::string> signs;
    for (const persistence::WorldRecord& world : *worlds) {
      if (world.is_alive) signs.push_back(fmt::format("world {} is at work {}", world.id, world.meta));
    }
    return signs;
  }

  Result<std::vector<PlanSummary>> list() override {
    auto plans = store_->find_plans({}, {});
    if (!plans) return plans.error();
    std::vector<PlanSummary> list;
    for (persistence::PlanRecord& plan : *plans) {
      list.push_back({std::move(plan.id), std::move(plan.label), std::string(to_string(plan.state)), std::string(to_string(plan.result)),
                      plan.started_at, plan.ended_at});
    }
    return list;
  }

  Result<StoredPlan> load(const std::string& id) override {
    if (Status loaded = load_callbacks(); !loaded.ok()) return loaded.error();
    StoredPlan stored;
    auto plan = store_->load_plan(id);
    if (!plan) return plan.error();
    stored.plan = std::move(*plan);
    stored.plan.owner.clear();
    for (const persistence::ActionRecord& action : stored.plan.actions) {
      auto chunks = store_->load_chunks(id, action.id);
      if (!chunks) return chunks.error();
      if (!chunks->empty()) stored.chunks.emplace_back(action.id, std::move(*chunks));
    }
    auto events = store_->load_events_of(id);
    if (!events) return events.error();
    stored.events = std::move(*events);
    auto delayed = store_->load_delayed(id);
    if (delayed) {
      stored.delayed = std::move(*delayed);
    } else if (delayed.error().code() != Code::kNotFound) {
      return delayed.error();
    }
    if (const auto callbacks = callbacks_->find(id); callbacks != callbacks_->end()) stored.callbacks = callbacks->second;
    return stored;
  }

 private:
  // Who has not joined as a world only looks: he is shown what no living world delivers, and those that have one are signs of life.
  Status load_callbacks() {
    if (callbacks_) return {};
    callbacks_.emplace();
    auto due = store_->load_due_outbox(Time::max(), kAllCallbacks, {});
    if (!due) return due.error();
    for (persistence::OutboxRecord& entry : *due) {
      entry.version = 0;
      (*callbacks_)[entry.plan_id].push_back(std::move(entry));
    }
    return {};
  }

  std::string kind_;
  std::string original_;
  std::optional<DatabaseCopy> copy_;
  std::unique_ptr<Store> store_;  // before the copy goes
  std::optional<std::map<std::string, std::vector<persistence::OutboxRecord>>> callbacks_;
};

}  // namespace

Result<std::unique_ptr<PlanSource>> open_own_sqlite(const std::string& original, DatabaseCopy copy) {
  persistence::StoreOptions options;
  options.database = copy.path();
  auto store = persistence::open_sqlite_store(options);
  if (!store) return store.error().in(original);
  if (Status started = (*store)->start(); !started.ok()) return started.error();
  return std::unique_ptr<PlanSource>(
      std::make_unique<OwnSource>("ours, SQLite", original, std::move(*store), std::optional(std::move(copy))));
}

Result<std::unique_ptr<PlanSource>> open_own_postgres(const std::string& url, const persistence::postgres::StoredVersion& version) {
  if (!version.is_current) {
    return Error(Code::kInvalid, fmt::format("the database has schema version {}, which is not this program's: start its core once, then stop it", version.number));
  }
  persistence::StoreOptions options;
  options.database = url;
  auto store = persistence::open_postgres_store(options);
  if (!store) return store.error();
  if (Status started = (*store)->start(); !started.ok()) return started.error();
  return std::unique_ptr<PlanSource>(std::make_unique<OwnSource>("ours, PostgreSQL", "", std::move(*store), std::nullopt));
}

}  // namespace dynflow::migration
