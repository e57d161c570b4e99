// What the launchers' tests share: actions and requests.
#pragma once

#include <string>

#include "shared/launcher/batch_action.h"
#include "shared/launcher/launcher.h"
#include "tests/support/engine/live_world.h"

namespace dynflow::launcher {

inline const std::string kOne = "6f00ad2b-131f-4754-aa0a-9a47c18d6583";
inline const std::string kTwo = "e64da116-a3a0-4a60-a136-f331fbeb2595";

// Test::Noop tells how long the password is that it got; Test::Unplannable fails in its plan phase.
struct Fixture : test::LiveWorld {
  Fixture() {
    REQUIRE(register_batch_actions(registry).ok());
    add("Test::Noop", [](engine::Running& running, const engine::Event*) {
      running.output()["password_length"] = json::get_string(running.secrets(), "ssh_password").size();
    });
    add("Test::Unplannable", nullptr, [](engine::Planning&, Json) {
      throw engine::ActionError("KeyError", "key not found: \"hostname\"");
    });
  }

  LaunchContext context{"http://proxy:8000", "request-1", "session-1", "ssh"};
};

inline Json entry_of(std::string action_class, Json input) {
  return Json{{"action_class", std::move(action_class)}, {"action_input", std::move(input)}};
}
inline Json callback_of(const std::string& task_id) { return Json{{"task_id", task_id}, {"step_id", 3}}; }
inline Json success(const std::string& id) { return Json{{"result", "success"}, {"task_id", id}}; }

}  // namespace dynflow::launcher
