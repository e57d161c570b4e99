// Secrets that outlive the process, sealed by a keeper.

#include <algorithm>

#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

// Turns letters over, which the tests can see through and a look at the rows cannot.
class Keeper final : public SecretKeeper {
 public:
  Result<std::string> seal(const std::string& plan_id, const Json& secrets) const override {
    if (is_broken) return Error(Code::kFailed, "broken");
    std::string text = json::dump(secrets);
    std::reverse(text.begin(), text.end());
    return plan_id + "/" + text;
  }
  Result<Json> open(const std::string& plan_id, std::string_view sealed) const override {
    if (!has_key) return Error(Code::kNotFound, "the key is another");
    REQUIRE(sealed.substr(0, plan_id.size()) == plan_id);
    std::string text(sealed.substr(plan_id.size() + 1));
    std::reverse(text.begin(), text.end());
    return json::parse(text);
  }
  bool has_key = true;
  bool is_broken = false;
};

struct Kept {
  Kept() {
    engine.options.secrets = &keeper;
    engine.add({.name = "Work",
                .run =
                    [this](Running& r, const Event* event) {
                      seen.push_back(r.secrets());
                      losses.emplace_back(r.secrets_loss());
                      if (event == nullptr && fails) throw ActionError("RuntimeError", "told to");
                      if (event == nullptr && waits) r.suspend();
                    },
                .takes_events = true});
    engine.start();
  }
  PlanRequest request() const {
    PlanRequest made;
    made.action_class = "Work";
    made.secrets = kSecrets;
    return made;
  }
  std::string launch() { return engine.world->trigger({request()})->front().plan_id; }

  const Json kSecrets{{"ssh_password", "hunter2"}};
  Engine engine;
  Keeper keeper;
  std::vector<Json> seen;
  std::vector<std::string> losses;
  bool waits = false;
  bool fails = false;
};

TEST_CASE("a plan that was launched with secrets has them after a crash, until it stops") {
  Kept kept;
  const std::string id = kept.launch();  // durable, not begun
  REQUIRE(kept.engine.store.secrets().count(id) == 1);
  CHECK(kept.engine.store.secrets().at(id).find("hunter2") == std::string::npos);
  kept.engine.crash();
  CHECK(kept.seen.empty());
  kept.engine.start();
  CHECK(shown(kept.engine.settle(id)) == "stopped/success");
  CHECK(kept.seen == std::vector<Json>{kept.kSecrets});
  CHECK(kept.losses == std::vector<std::string>{""});
  CHECK(kept.engine.store.secrets().empty());
}

TEST_CASE("stored secrets that cannot be read are a reason that the action gets") {
  Kept kept;
  const std::string id = kept.launch();
  kept.engine.crash();
  kept.keeper.has_key = false;
  kept.engine.start();
  CHECK(shown(kept.engine.settle(id)) == "stopped/success");
  CHECK(kept.seen == std::vector<Json>{Json()});
  CHECK(kept.losses == std::vector<std::string>{"the key is another"});
  CHECK(kept.engine.store.secrets().empty());
}

TEST_CASE("without a keeper nothing is stored, and a crash ends the secrets") {
  Kept kept;
  kept.engine.options.secrets = nullptr;
  kept.engine.start();
  const std::string id = kept.launch();
  CHECK(kept.engine.store.secrets().empty());
  kept.engine.crash();
  kept.engine.start();
  kept.engine.settle(id);
  CHECK(kept.seen == std::vector<Json>{Json()});
  CHECK(kept.losses == std::vector<std::string>{""});
}

TEST_CASE("what cannot be sealed is not launched") {
  Kept kept;
  kept.keeper.is_broken = true;
  const auto refused = kept.engine.world->trigger({kept.request()});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == Code::kFailed);
  CHECK(kept.engine.store.plans().empty());
  CHECK(kept.engine.world->active_plans() == 0);
  const auto later = kept.engine.world->delay(kept.request(), {});
  CHECK_FALSE(later.ok());
  CHECK(kept.engine.store.plans().empty());
  CHECK(kept.engine.world->active_plans() == 0);
}

TEST_CASE("a suspended plan that is taken up, cancelled or halted leaves no secrets") {
  for (const bool is_halted : {false, true}) {
    Kept kept;
    kept.waits = true;
    const std::string id = kept.launch();
    kept.engine.settle(id);
    kept.engine.crash();
    kept.engine.start();
    kept.engine.settle(id);
    CHECK(kept.seen == std::vector<Json>{kept.kSecrets, kept.kSecrets});
    CHECK(kept.engine.store.secrets().size() == 1);
    if (is_halted) {
      REQUIRE(kept.engine.world->halt(id).ok());
    } else {
      kept.engine.world->send(id, 2, {"end", nullptr});
    }
    CHECK(kept.engine.settle(id).state == PlanState::kStopped);
    CHECK(kept.engine.store.secrets().empty());
  }
}

TEST_CASE("a paused plan is resumed with its secrets by a later process, or halted without them") {
  for (const bool is_halted : {false, true}) {
    Kept kept;
    kept.fails = true;
    const std::string id = kept.launch();
    CHECK(kept.engine.settle(id).state == PlanState::kPaused);
    CHECK(kept.engine.store.secrets().size() == 1);
    kept.engine.crash();
    kept.fails = false;
    kept.engine.start();
    if (is_halted) {
      REQUIRE(kept.engine.world->halt(id).ok());
    } else {
      REQUIRE(kept.engine.world->resume(id).ok());
      kept.engine.settle(id);
      CHECK(kept.seen == std::vector<Json>{kept.kSecrets, kept.kSecrets});
    }
    CHECK(kept.engine.settle(id).state == PlanState::kStopped);
    CHECK(kept.engine.store.secrets().empty());
  }
}

TEST_CASE("a delayed plan has its secrets in a later process") {
  using std::chrono::hours;
  struct Case {
    bool has_key;
    std::string end;
  };
  for (const Case& expected : {Case{true, "stopped/success"}, Case{false, "stopped/error"}}) {
    Kept kept;
    const Time when = kept.engine.clock.now() + hours(1);
    const std::string id = kept.engine.world->delay(kept.request(), {.start_at = when})->plan_id;
    kept.engine.settle(id);
    CHECK(kept.engine.store.secrets().size() == 1);
    kept.engine.crash();
    kept.keeper.has_key = expected.has_key;
    kept.engine.start();
    kept.engine.settle(id);
    kept.engine.clock.advance(hours(2));
    const PlanRecord plan = kept.engine.settle(id);
    CHECK(shown(plan) == expected.end);
    CHECK(kept.seen == (expected.has_key ? std::vector<Json>{kept.kSecrets} : std::vector<Json>()));
    if (!expected.has_key) CHECK_THAT(step_of(plan, 2).error->message, Catch::Contains("the key is another"));
    CHECK(kept.engine.store.secrets().empty());
  }
  // One that is cancelled before its time.
  Kept kept;
  const std::string id = kept.engine.world->delay(kept.request(), {.start_at = kept.engine.clock.now() + hours(1)})->plan_id;
  CHECK(kept.engine.world->cancel(id).value() == 1);
  CHECK(kept.engine.store.secrets().empty());
}

}  // namespace
}  // namespace dynflow::engine
