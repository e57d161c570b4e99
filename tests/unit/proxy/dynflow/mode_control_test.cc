#include "proxy/dynflow/mode_control.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "shared/json/json.h"
#include "tests/unit/proxy/dynflow/fake_side.h"

using namespace dynflow;
using namespace dynflow::proxy;
using namespace std::chrono_literals;
using test::FakeSide;

namespace {

struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "mode-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

// A control over two fakes with a clock of its own; the test looks itself.
struct Fixture {
  std::unique_ptr<ModeControl> control(bool is_automatic = true) {
    ModeControl::Options options;
    options.make_own = [this]() -> Result<std::shared_ptr<Backend>> {
      ++owns_made;
      if (own_fails) return Error(Code::kUnavailable, "the database is in use");
      return std::shared_ptr<Backend>(own);
    };
    options.make_other = [this]() -> Result<std::shared_ptr<Backend>> { return std::shared_ptr<Backend>(other); };
    options.file = folder.path / "mode.json";
    options.setting = "unset";
    options.policy = {is_automatic, 600s, 1800s};
    options.clock = &clock;
    options.looks_by_itself = false;
    return std::make_unique<ModeControl>(std::move(options));
  }
  std::unique_ptr<ModeControl> started(ModeState state, bool is_automatic = true) {
    auto made = control(is_automatic);
    REQUIRE(made->start(state, std::nullopt, "test"));
    return made;
  }
  SavedMode saved() const { return **ModeFile(folder.path / "mode.json").load(); }

  Folder folder;
  VirtualClock clock;
  std::shared_ptr<FakeSide> own = std::make_shared<FakeSide>("own");
  std::shared_ptr<FakeSide> other = std::make_shared<FakeSide>("other");
  bool own_fails = false;
  int owns_made = 0;
};

}  // namespace

TEST_CASE("every state has a row, every event of a table is known", "[mode]") {
  for (const StateRow& row : kStates) {
    CHECK(&row_of(row.state) == &row);
    CHECK(parse_mode_state(row.name) == row.state);
    CHECK(next_state(row.state, ModeEvent::kDrained).has_value() == row.is_hand_over);
    CHECK(next_state(row.state, ModeEvent::kFinish).has_value() == row.is_hand_over);
    CHECK(next_state(row.state, ModeEvent::kCancel).has_value() == row.is_hand_over);
  }
  CHECK_FALSE(parse_mode_state("").has_value());
  for (const Transition& transition : kTransitions) {
    CHECK(next_state(transition.from, transition.event) == transition.to);
    // What was asked for is the target then; what ends a hand-over keeps it; cancel turns it round.
    const Side before = row_of(transition.from).target;
    const Side after = row_of(transition.to).target;
    switch (transition.event) {
      case ModeEvent::kAskInProcess: CHECK(after == Side::kOwn); break;
      case ModeEvent::kAskExternal: CHECK(after == Side::kOther); break;
      case ModeEvent::kCancel: CHECK(after == opposite(before)); break;
      default: CHECK((after == before && !row_of(transition.to).is_hand_over)); break;
    }
  }
}

TEST_CASE("docs/modes.md has the tables of the code", "[mode]") {
  std::ifstream file(std::string(DYNFLOW_DOCS) + "/modes.md");
  std::stringstream page;
  page << file.rdbuf();
  INFO("put these tables into docs/modes.md:\n" << states_markdown() << "\n" << transitions_markdown());
  CHECK(page.str().find(states_markdown()) != std::string::npos);
  CHECK(page.str().find(transitions_markdown()) != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "with nothing to hand over the mode flips at once", "[mode]") {
  const auto control = started(ModeState::kExternal);
  CHECK(owns_made == 0);
  CHECK(*control->change(ModeEvent::kAskInProcess, "test") == ModeState::kInProcess);
  CHECK(control->view().target() == Side::kOwn);
  CHECK(saved().state == ModeState::kInProcess);
  CHECK(saved().follows_hand_over);
  CHECK(*control->change(ModeEvent::kAskExternal, "test") == ModeState::kExternal);
  CHECK(saved().state == ModeState::kExternal);
  CHECK(owns_made == 1);
}

TEST_CASE_METHOD(Fixture, "a hand-over ends when the old side has nothing left", "[mode]") {
  other->set("a", "running");
  other->set("b", "paused");
  const auto control = started(ModeState::kExternal);
  CHECK(*control->change(ModeEvent::kAskInProcess, "test") == ModeState::kToInProcess);
  CHECK(saved().state == ModeState::kToInProcess);
  control->look();
  CHECK(control->view().state == ModeState::kToInProcess);
  other->set("a", "stopped");
  other->callbacks = 1;
  control->look();
  CHECK(control->view().state == ModeState::kToInProcess);
  other->callbacks = 0;
  control->look();
  CHECK(control->view().state == ModeState::kInProcess);
  CHECK(saved().state == ModeState::kInProcess);
}

TEST_CASE_METHOD(Fixture, "a Ruby core is counted, without a list of ids", "[mode]") {
  other = std::make_shared<FakeSide>("ruby", true);
  other->set("a", "running");
  other->set("b", "paused");
  other->set("c", "stopped");
  const auto control = started(ModeState::kExternal);
  CHECK(*control->change(ModeEvent::kAskInProcess, "test") == ModeState::kToInProcess);
  control->owners().remember("a", Side::kOther);
  control->owners().remember("c", Side::kOther);
  const Json document = control->document();
  CHECK(document["sides"]["external"]["unfinished_tasks"] == 1);
  CHECK(document["sides"]["external"]["task_ids"] == Json::array({"a"}));
  CHECK(document["blocked_by"] == "external");
  other->set("a", "stopped");
  control->look();
  CHECK(control->view().state == ModeState::kInProcess);
}

TEST_CASE_METHOD(Fixture, "without automatic ends a hand-over waits for finish", "[mode]") {
  other->set("a", "running");
  const auto control = started(ModeState::kExternal, false);
  CHECK(*control->change(ModeEvent::kAskInProcess, "test") == ModeState::kToInProcess);
  CHECK(control->change(ModeEvent::kFinish, "test").error().code() == Code::kConflict);
  other->set("a", "stopped");
  control->look();
  CHECK(control->view().state == ModeState::kToInProcess);
  CHECK(*control->change(ModeEvent::kFinish, "test") == ModeState::kInProcess);
  CHECK(control->change(ModeEvent::kFinish, "test").error().code() == Code::kConflict);
}

TEST_CASE_METHOD(Fixture, "finish by force leaves tasks behind", "[mode]") {
  other->set("a", "running");
  const auto control = started(ModeState::kExternal);
  REQUIRE(control->change(ModeEvent::kAskInProcess, "test"));
  CHECK(*control->change(ModeEvent::kFinish, "test", true) == ModeState::kInProcess);
}

TEST_CASE_METHOD(Fixture, "cancel turns round, for what was launched meanwhile runs on", "[mode]") {
  other->set("a", "running");
  const auto control = started(ModeState::kExternal);
  CHECK(control->change(ModeEvent::kCancel, "test").error().code() == Code::kConflict);
  REQUIRE(control->change(ModeEvent::kAskInProcess, "test"));
  own->set("b", "running");
  CHECK(*control->change(ModeEvent::kCancel, "test") == ModeState::kToExternal);
  CHECK(control->view().target() == Side::kOther);
  own->set("b", "stopped");
  control->look();
  CHECK(control->view().state == ModeState::kExternal);
}

TEST_CASE_METHOD(Fixture, "a side that cannot take jobs is no target", "[mode]") {
  const auto inside = started(ModeState::kInProcess);
  other->is_away = true;
  CHECK(inside->change(ModeEvent::kAskExternal, "test").error().code() == Code::kUnavailable);
  CHECK(inside->view().state == ModeState::kInProcess);
  CHECK_FALSE(inside->view().other);
  CHECK(saved().state == ModeState::kInProcess);
  other->talks_nonsense = true;
  other->is_away = false;
  CHECK(inside->change(ModeEvent::kAskExternal, "test").error().code() == Code::kUnavailable);
  other->talks_nonsense = false;
  other->is_away = true;
  CHECK(*inside->change(ModeEvent::kAskExternal, "test", true) == ModeState::kExternal);

  other->is_away = false;
  own_fails = true;
  Fixture again;
  again.own_fails = true;
  const auto outside = again.started(ModeState::kExternal);
  CHECK(outside->change(ModeEvent::kAskInProcess, "test").error().message() == "the database is in use");
  CHECK(outside->view().state == ModeState::kExternal);
}

// A database that is started after the proxy, say.
TEST_CASE_METHOD(Fixture, "an old side that cannot be made at a start is tried again at the next one", "[mode]") {
  own->set("a", "running");
  const SavedMode before{ModeState::kToExternal, clock.now(), "unset", "test"};
  REQUIRE(ModeFile(folder.path / "mode.json").save(before));
  own_fails = true;
  {
    const auto first = control();
    REQUIRE(first->start(before.state, before, before.reason));
    CHECK(first->view().state == ModeState::kExternal);
  }
  CHECK(saved().state == ModeState::kToExternal);
  own_fails = false;
  const auto second = control();
  REQUIRE(second->start(saved().state, saved(), saved().reason));
  CHECK(second->view().state == ModeState::kToExternal);
  CHECK(second->view().own == own);
}

// Cores of 0.3 load every plan that they count: those of a day take longer than anybody waits.
TEST_CASE_METHOD(Fixture, "a Ruby core is asked for what is unfinished, and for nothing else", "[mode]") {
  const auto ruby = std::make_shared<FakeSide>("ruby", true);
  for (const char* state : {"pending", "scheduled", "planning", "planned", "running", "paused", "stopped"}) ruby->set(state, state);
  std::vector<std::string> asked;
  ruby->before_count = [&](const std::string& state) { asked.push_back(state); };
  CHECK(unfinished_tasks(*ruby, 0, Deadline::after(10s))->tasks == 5);
  CHECK(asked == std::vector<std::string>{"pending", "scheduled", "planning", "planned", "running"});
}

TEST_CASE_METHOD(Fixture, "a task of a Ruby core that moves while it is asked is not overlooked", "[mode]") {
  const std::vector<std::string> way{"pending", "scheduled", "planning", "planned", "running"};
  // From each state to each that may come after it, between any two questions; and back from planning to scheduled.
  for (std::size_t from = 0; from < way.size(); ++from) {
    for (std::size_t to = from; to < way.size(); ++to) {
      for (const std::string& when : way) {
        const auto ruby = std::make_shared<FakeSide>("ruby", true);
        ruby->set("a", way[from]);
        ruby->before_count = [&](const std::string& state) {
          if (state == when) ruby->set("a", way[to]);
        };
        INFO(way[from] << " to " << way[to] << " before " << when);
        CHECK(unfinished_tasks(*ruby, 0, Deadline::after(10s))->tasks >= 1);
      }
    }
  }
  const auto ruby = std::make_shared<FakeSide>("ruby", true);
  ruby->set("a", "planning");
  ruby->before_count = [&](const std::string& state) {
    if (state == "planning") ruby->set("a", "scheduled");
  };
  CHECK(unfinished_tasks(*ruby, 0, Deadline::after(10s))->tasks == 1);
}

TEST_CASE_METHOD(Fixture, "an old side that is silent too long is given up", "[mode]") {
  other->set("a", "running");
  const auto control = started(ModeState::kExternal);
  REQUIRE(control->change(ModeEvent::kAskInProcess, "test"));
  other->is_away = true;
  control->look();
  clock.advance(599s);
  control->look();
  CHECK(control->view().state == ModeState::kToInProcess);
  SECTION("an answer starts the time again") {
    other->is_away = false;
    control->look();
    other->is_away = true;
    control->look();
    clock.advance(2s);
    control->look();
    CHECK(control->view().state == ModeState::kToInProcess);
    CHECK(control->document()["last_error"]["message"] == "other is away");
  }
  SECTION("silence does not") {
    clock.advance(2s);
    control->look();
    CHECK(control->view().state == ModeState::kInProcess);
  }
}

TEST_CASE_METHOD(Fixture, "a launch under way on the old side keeps launches on the new one waiting", "[mode]") {
  const auto control = started(ModeState::kExternal);
  auto under_way = std::make_unique<ModeControl::Launch>(*control->begin_launch(Deadline::after(1s)));
  CHECK(under_way->view().target() == Side::kOther);
  // Nothing is unfinished, but something may be soon.
  CHECK(*control->change(ModeEvent::kAskInProcess, "test") == ModeState::kToInProcess);
  control->look();
  CHECK(control->view().state == ModeState::kToInProcess);
  CHECK(control->begin_launch(Deadline::after(Duration::zero())).error().code() == Code::kTimeout);
  under_way.reset();
  CHECK(control->begin_launch(Deadline::after(1s))->view().target() == Side::kOwn);
  control->look();
  CHECK(control->view().state == ModeState::kInProcess);
}

TEST_CASE_METHOD(Fixture, "a restart in the middle goes on", "[mode]") {
  other->set("a", "running");
  {
    const auto before = started(ModeState::kExternal);
    REQUIRE(before->change(ModeEvent::kAskInProcess, "by me"));
    before->stop(Deadline::after(1s));
  }
  const SavedMode mode = saved();
  CHECK(mode.state == ModeState::kToInProcess);
  CHECK(mode.reason == "by me");
  clock.advance(60s);
  const auto after = control();
  REQUIRE(after->start(mode.state, mode, ""));
  CHECK(after->view().state == ModeState::kToInProcess);
  CHECK(after->document()["reason"] == "by me");
  CHECK(after->document()["since"] == dynflow_time(mode.since));
  other->set("a", "stopped");
  after->look();
  CHECK(after->view().state == ModeState::kInProcess);
}

TEST_CASE_METHOD(Fixture, "the old side is asked for a while after the hand-over, over restarts too", "[mode]") {
  {
    const auto before = started(ModeState::kExternal);
    REQUIRE(*before->change(ModeEvent::kAskInProcess, "test") == ModeState::kInProcess);
    CHECK(before->view().other);
    before->stop(Deadline::after(1s));
  }
  clock.advance(600s);
  const auto after = control();
  REQUIRE(after->start(ModeState::kInProcess, saved(), ""));
  REQUIRE(after->view().other);
  clock.advance(1199s);
  after->look();
  CHECK(after->view().other);
  clock.advance(2s);
  after->look();
  CHECK_FALSE(after->view().other);
}

TEST_CASE_METHOD(Fixture, "a clock that was set back or ahead over a restart ends no hand-over", "[mode]") {
  other->set("a", "running");
  for (const std::chrono::hours jump : {std::chrono::hours(-10), std::chrono::hours(240)}) {
    const SavedMode before{ModeState::kToInProcess, clock.now() - jump, "unset", "by me", false};
    const auto after = control();
    REQUIRE(after->start(before.state, before, ""));
    CHECK(after->view().state == ModeState::kToInProcess);
    // Silence is measured from now on, whatever the calendar says.
    other->is_away = true;
    after->look();
    CHECK(after->view().state == ModeState::kToInProcess);
    other->is_away = false;
    after->look();
    CHECK(after->view().state == ModeState::kToInProcess);
    after->stop(Deadline::after(1s));
  }
}

TEST_CASE_METHOD(Fixture, "a clock that was set back makes no follow-up endless", "[mode]") {
  const SavedMode before{ModeState::kInProcess, clock.now() + 10h, "unset", "by me", true};
  const auto after = control();
  REQUIRE(after->start(before.state, before, ""));
  REQUIRE(after->view().other);
  clock.advance(1801s);
  after->look();
  CHECK_FALSE(after->view().other);
}

TEST_CASE_METHOD(Fixture, "a first start asks nobody else", "[mode]") {
  CHECK_FALSE(started(ModeState::kInProcess)->view().other);
  CHECK_FALSE(started(ModeState::kExternal)->view().own);
}

TEST_CASE_METHOD(Fixture, "a mode that cannot be remembered is not entered", "[mode]") {
  other->set("a", "running");
  const auto control = started(ModeState::kExternal);
  std::filesystem::remove_all(folder.path);
  CHECK(control->change(ModeEvent::kAskInProcess, "test").error().code() == Code::kUnavailable);
  CHECK(control->view().state == ModeState::kExternal);
}

TEST_CASE_METHOD(Fixture, "a drain is remembered, through changes of the mode, until it is taken back", "[mode]") {
  const auto control = started(ModeState::kExternal);
  CHECK_FALSE(control->begin_launch(Deadline::after(1s))->is_drained());
  CHECK(*control->set_drained(true, "jane"));
  CHECK_FALSE(*control->set_drained(true, "john"));
  CHECK(control->begin_launch(Deadline::after(1s))->is_drained());
  REQUIRE(saved().drain);
  CHECK(saved().drain->reason == "jane");
  CHECK(*control->change(ModeEvent::kAskInProcess, "test") == ModeState::kInProcess);
  control->set_setting("false");
  REQUIRE(saved().drain);
  const SavedMode before = saved();

  const auto after = this->control();
  REQUIRE(after->start(before.state, before, "", before.drain));
  CHECK(after->is_drained());
  CHECK(after->document()["drained"]["reason"] == "jane");
  CHECK(*after->set_drained(false, "jane"));
  CHECK_FALSE(saved().drain);
  CHECK_FALSE(*after->set_drained(false, "jane"));
}

TEST_CASE_METHOD(Fixture, "a drain that cannot be remembered is refused", "[mode]") {
  const auto control = started(ModeState::kExternal);
  std::filesystem::remove_all(folder.path);
  CHECK(control->set_drained(true, "jane").error().code() == Code::kUnavailable);
  CHECK_FALSE(control->is_drained());
}

TEST_CASE_METHOD(Fixture, "a launch that is under way when a drain begins is seen", "[mode]") {
  const auto control = started(ModeState::kInProcess);
  {
    const auto launch = control->begin_launch(Deadline::after(1s));
    CHECK(*control->set_drained(true, "jane"));
    CHECK(control->document()["launches_under_way"]["in-process"] == 1);
  }
  CHECK(control->document()["launches_under_way"]["in-process"] == 0);
}

TEST_CASE("the state file is private, whole, and strict when it is read", "[mode]") {
  Folder folder;
  const ModeFile file(folder.path / "mode.json");
  CHECK_FALSE(file.load()->has_value());
  const Time since = from_unix_seconds(1'760'000'000.25);
  REQUIRE(file.save({ModeState::kToExternal, since, "true", "a \"reason\"", true, std::nullopt}));
  struct stat about {};
  REQUIRE(::stat(file.path().c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0640);
  const auto loaded = **file.load();
  CHECK(loaded.state == ModeState::kToExternal);
  CHECK(loaded.since == since);
  CHECK(loaded.setting == "true");
  CHECK(loaded.reason == "a \"reason\"");
  CHECK(loaded.follows_hand_over);
  CHECK_FALSE(loaded.drain);
  // Launches are not taken again because a date was damaged.
  std::ofstream(file.path()) << R"({"format":1,"state":"external","since":"2026-01-01 00:00:00.000","drain":{"since":"?"}})";
  CHECK((**file.load()).drain);
  for (const char* text : {"", "{", "[]", R"({"format":1,"state":"elsewhere","since":"2026-01-01 00:00:00.000"})",
                           R"({"format":2,"state":"external","since":"2026-01-01 00:00:00.000"})"}) {
    std::ofstream(file.path()) << text;
    INFO(text);
    CHECK(file.load().error().code() == Code::kCorrupt);
  }
  CHECK(ModeFile("").save({}).ok());
}

TEST_CASE("owners are remembered up to a limit, the last seen ones", "[mode]") {
  TaskOwners owners(3);
  for (const char* id : {"a", "b", "c"}) owners.remember(id, Side::kOwn);
  owners.remember("a", Side::kOther, "x");
  owners.remember("d", Side::kOther);
  CHECK_FALSE(owners.find("b").has_value());
  CHECK(owners.find("a")->side == Side::kOther);
  CHECK(owners.find("a")->task_id == "x");
  CHECK(owners.of(Side::kOther, 9) == std::vector<std::string>{"d", "x"});
  CHECK(owners.of(Side::kOther, 1) == std::vector<std::string>{"d"});
  owners.forget("a");
  owners.forget("a");
  CHECK_FALSE(owners.find("a").has_value());
}
