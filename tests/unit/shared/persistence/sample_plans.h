// Plans as the engine stores them, for tests of stores.
#pragma once

#include <string>
#include <vector>

#include "shared/persistence/store.h"

namespace dynflow::persistence {

inline constexpr Time kSampleTime{std::chrono::microseconds(1'795'329'946'123'456)};

// A planned plan of two actions and four steps, with every field set.
PlanRecord sample_plan(const std::string& id, const std::string& caller_plan_id = "");
// How far such a plan may have got.
PlanProgress sample_progress(PlanState state, PlanResult result, Time ended_at = kSampleTime);
OutputChunk sample_chunk(std::int64_t sequence, const std::string& output);
EventRecord sample_event(const std::string& id, const std::string& plan_id);
OutboxRecord sample_outbox(const std::string& id, const std::string& plan_id, Time next_attempt_at = kSampleTime);

template <class... Changes>
WriteBatch batch_of(Changes... changes) {
  WriteBatch batch;
  (batch.add(std::move(changes)), ...);
  return batch;
}
WriteBatch insertion_of(const std::string& id, const std::string& caller_plan_id = "");
// Stored, stopped and successful since `ended_at`.
WriteBatch finished_plan(const std::string& id, Time ended_at);

}  // namespace dynflow::persistence
