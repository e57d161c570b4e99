// One {"action_class","action_input"} of a launch request: checked, without secrets, ready to be planned.
//
// Threads: pure functions, values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/engine/world.h"
#include "shared/json/json.h"
#include "shared/launcher/launcher.h"

namespace dynflow::launcher {

struct Entry {
  std::string id;            // the plan's; empty: the world makes one
  std::string action_class;
  Json input;                // masked, with callback_host
  Json secrets;              // null = none
  std::string digest;        // of everything above as the client sent it, but for secrets and request ids
};

// kInvalid with the entry's id in the text. `action_class_override` as for make_batch_launcher.
Result<Entry> parse_entry(std::string id, const Json& entry, std::string_view action_class_override,
                          const LaunchContext& context);

engine::PlanRequest to_request(Entry entry, const LaunchContext& context);

// What the entry was, for the stored document of its batch: texts over 1 KiB are cut, because they stand whole in the plan of the
// entry itself.
Json outline(const Entry& entry);

// An action of the same class as the others is asked for by another name: kNotFound of a world in the launcher's words.
Error refused_by_world(const Error& error);

// {"result":"error","errors":[{"exception_class","message",...}]}
Json failure_answer(const persistence::StepError& error);

// Makes the documents of plans whose plan phase failed tell Foreman so: the action that belongs to the task gets the text as its
// output and EXCEPTION as exit status. Blocks until that is durable.
struct FailedEntry {
  std::string plan_id;
  Json input;
  persistence::StepError error;
};
Status explain_failures(engine::World& world, std::vector<FailedEntry> failed, const LaunchContext& context);

}  // namespace dynflow::launcher
