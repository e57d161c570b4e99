#include "shared/callback/outbox.h"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>

#include "tests/support/engine/live_world.h"

using namespace dynflow;
using namespace dynflow::callback;
using persistence::OutboxRecord;
using persistence::WriteBatch;
using test::parsed;

namespace {

// A Foreman that answers as it is told and remembers what came.
class FakeForeman final : public ForemanClient {
 public:
  using Answer = std::function<Status(const Json& body)>;

  Status post(std::string_view body, const std::string& request_id) override {
    const std::unique_lock lock(mutex_);
    auto document = json::parse(body);
    if (!document || is_closed_) return Error(Code::kClosed, "closed");
    bodies.push_back(*document);
    request_ids.push_back(request_id);
    Status status = answer ? answer(*document) : Status();
    if (status) {
      for (const Json& entry : entries_of(*document)) accepted.insert(json::get_string(entry["callback"], "task_id"));
    }
    changed_.notify_all();
    return status;
  }
  void close() override {
    const std::unique_lock lock(mutex_);
    is_closed_ = true;
  }
  template <class Condition>
  void wait_for(Condition condition) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(20), condition));
  }
  void answer_with(Answer with) {
    const std::unique_lock lock(mutex_);
    answer = std::move(with);
  }
  std::size_t count_bodies() {
    const std::unique_lock lock(mutex_);
    return bodies.size();
  }
  static std::vector<Json> entries_of(const Json& body) {
    if (const Json* list = json::find(body, "callbacks")) return list->get<std::vector<Json>>();
    return {body};
  }

  Answer answer;
  std::vector<Json> bodies;
  std::vector<std::string> request_ids;
  std::multiset<std::string> accepted;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_closed_ = false;
};

struct Fixture {
  Fixture() {
    auto opened = persistence::open_sqlite_store({});
    REQUIRE(opened.ok());
    store = std::move(*opened);
    REQUIRE(store->start().ok());
    options.connections = 2;
  }
  ~Fixture() {
    if (outbox) outbox->stop();
    store->stop();
  }

  void start(Outbox::DataOf data_of = [](const OutboxRecord& entry) { return Result<std::string>(entry.data); }) {
    outbox = std::make_unique<Outbox>(*store, foreman, std::move(data_of), options, clock);
    outbox->start();
  }
  // Entries "first", ..., as a callback action puts them.
  void put(int first, int last) {
    WriteBatch batch;
    for (int i = first; i <= last; ++i) {
      OutboxRecord entry;
      entry.id = "entry-" + std::to_string(i);
      entry.plan_id = "plan-" + std::to_string(i);
      entry.callback = R"({"task_id":"task-)" + std::to_string(i) + R"(","step_id":3})";
      entry.data = R"({"result":[],"exit_status":)" + std::to_string(i) + "}";
      entry.request_id = "request-" + std::to_string(i);
      entry.created_at = entry.next_attempt_at = clock.now();
      batch.add(WriteBatch::PutOutbox{std::move(entry)});
    }
    REQUIRE(store->commit(std::move(batch)).ok());
    if (outbox) outbox->wake();
  }
  // Until every entry is written as it is to stay: moves the clock on and wakes the outbox.
  template <class Condition>
  void advance_until(std::chrono::seconds step, Condition condition) {
    for (int attempt = 0; attempt < 5000 && !condition(); ++attempt) {
      clock.advance(step);
      outbox->wake();
      std::this_thread::yield();
      std::mutex idle;
      std::unique_lock lock(idle);
      std::condition_variable().wait_for(lock, std::chrono::milliseconds(2));
    }
    REQUIRE(condition());
  }
  bool is_empty() { return !store->next_outbox_time().value().has_value(); }
  void wait_until_empty() { advance_until(std::chrono::seconds(0), [this] { return is_empty(); }); }

  VirtualClock clock;
  std::unique_ptr<persistence::Store> store;
  FakeForeman foreman;
  OutboxOptions options;
  std::unique_ptr<Outbox> outbox;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "one callback has the form for one") {
  put(1, 1);
  start();
  wait_until_empty();
  REQUIRE(foreman.bodies.size() == 1);
  CHECK(json::dump(foreman.bodies[0]) ==
        R"({"callback":{"task_id":"task-1","step_id":3},"data":{"result":[],"exit_status":1}})");
  CHECK(foreman.request_ids[0] == "request-1");
}

TEST_CASE_METHOD(Fixture, "many callbacks share requests of at most 100, each is delivered once") {
  put(1, 250);
  start();
  wait_until_empty();
  CHECK(foreman.accepted.size() == 250);
  CHECK(std::set<std::string>(foreman.accepted.begin(), foreman.accepted.end()).size() == 250);
  CHECK(foreman.bodies.size() == 3);
  for (const Json& body : foreman.bodies) CHECK(FakeForeman::entries_of(body).size() <= 100);
}

TEST_CASE_METHOD(Fixture, "requests are bounded in bytes, a large entry goes alone") {
  options.max_bytes = 300;
  put(1, 10);
  start();
  wait_until_empty();
  CHECK(foreman.accepted.size() == 10);
  for (const Json& body : foreman.bodies) CHECK((FakeForeman::entries_of(body).size() == 1 || json::dump(body).size() < 500));
  CHECK(foreman.bodies.size() >= 3);
}

TEST_CASE_METHOD(Fixture, "what is put while the outbox runs is delivered at once") {
  start();
  put(1, 1);
  foreman.wait_for([this] { return foreman.accepted.size() == 1; });
  put(2, 2);
  foreman.wait_for([this] { return foreman.accepted.size() == 2; });
  wait_until_empty();
}

TEST_CASE_METHOD(Fixture, "a poisoned entry stops no other, is tried again alone and given up in the end") {
  foreman.answer = [](const Json& body) -> Status {
    for (const Json& entry : FakeForeman::entries_of(body)) {
      if (json::get_string(entry["callback"], "task_id") == "task-42") return Error(Code::kUnprocessable, "500 unknown task");
    }
    return {};
  };
  put(1, 100);
  start();
  foreman.wait_for([this] {
    return std::set<std::string>(foreman.accepted.begin(), foreman.accepted.end()).size() == 99;
  });
  const auto tries = [this] {
    return std::count_if(foreman.bodies.begin(), foreman.bodies.end(), [](const Json& body) {
      return body.contains("callback") && json::get_string(body["callback"], "task_id") == "task-42";
    });
  };
  foreman.wait_for([&] { return tries() >= 1; });
  // Backoff to 300 s at most, for 24 hours.
  advance_until(std::chrono::seconds(300), [this] { return is_empty(); });
  CHECK(tries() > 5);
  // Later entries do not have to go with it.
  put(101, 102);
  foreman.wait_for([this] { return foreman.accepted.count("task-102") == 1; });
  wait_until_empty();
  CHECK(outbox->numbers().delivered == 101);
  CHECK(outbox->numbers().refused > 5);
  CHECK(outbox->numbers().abandoned == 1);
  CHECK(outbox->numbers().failed_requests == 0);
}

// A task that ends while the report of its last run is under way.
TEST_CASE_METHOD(Fixture, "an entry that is replaced while it is sent goes out again, with what it says now") {
  bool fails = false;
  Code code = Code::kUnavailable;
  SECTION("the first was taken") {}
  SECTION("Foreman was away") { fails = true; }
  SECTION("the first was refused") {
    fails = true;
    code = Code::kUnprocessable;
  }
  foreman.answer = [&](const Json& body) -> Status {
    if (body["data"]["exit_status"] != 1) return {};
    OutboxRecord entry;
    entry.id = "entry-1";
    entry.plan_id = "plan-1";
    entry.callback = R"({"task_id":"task-1","step_id":3})";
    entry.data = R"({"exit_status":2})";
    entry.created_at = entry.next_attempt_at = clock.now();
    WriteBatch batch;
    batch.add(WriteBatch::PutOutbox{entry});
    Status put = store->commit(std::move(batch));
    if (!put) return put;
    outbox->wake();
    return fails ? Status(Error(code, "not now")) : Status();
  };
  put(1, 1);
  start();
  advance_until(std::chrono::seconds(2), [this] { return is_empty(); });
  REQUIRE(foreman.bodies.size() == 2);
  CHECK(foreman.bodies[1]["data"]["exit_status"] == 2);
}

TEST_CASE_METHOD(Fixture, "while Foreman is away one request at a time asks for it, then everything is delivered") {
  foreman.answer = [](const Json&) -> Status { return Error(Code::kUnavailable, "refused"); };
  put(1, 300);
  start();
  foreman.wait_for([this] { return !foreman.bodies.empty(); });
  advance_until(std::chrono::seconds(30), [this] { return foreman.count_bodies() >= 6; });
  CHECK(foreman.accepted.empty());
  CHECK(store->count_plans(std::nullopt).value() == 0);
  CHECK(outbox->numbers().is_foreman_away);
  CHECK(outbox->numbers().delivered == 0);
  foreman.answer_with(nullptr);
  advance_until(std::chrono::seconds(30), [this] { return is_empty(); });
  CHECK(std::set<std::string>(foreman.accepted.begin(), foreman.accepted.end()).size() == 300);
  CHECK_FALSE(outbox->numbers().is_foreman_away);
  CHECK(outbox->numbers().failed_requests >= 5);
}

TEST_CASE_METHOD(Fixture, "what waits survives a restart") {
  foreman.answer = [](const Json&) -> Status { return Error(Code::kTimeout, "too slow"); };
  put(1, 3);
  start();
  foreman.wait_for([this] { return !foreman.bodies.empty(); });
  outbox->stop();
  FakeForeman later;
  clock.advance(std::chrono::seconds(60));
  Outbox second(*store, later, [](const OutboxRecord& entry) { return Result<std::string>(entry.data); }, options, clock);
  second.start();
  later.wait_for([&] { return later.accepted.size() == 3; });
  second.stop();
}

TEST_CASE_METHOD(Fixture, "an entry without data is given up, the others go") {
  start([](const OutboxRecord& entry) -> Result<std::string> {
    if (entry.id == "entry-2") return Error(Code::kNotFound, "no such plan");
    return entry.data;
  });
  put(1, 3);
  foreman.wait_for([this] { return foreman.accepted.size() == 2; });
  wait_until_empty();
  CHECK(foreman.accepted.count("task-2") == 0);
}

TEST_CASE_METHOD(Fixture, "stop() lets go out what is due") {
  put(1, 250);
  start();
  outbox->stop(Deadline::after(std::chrono::seconds(20)));
  CHECK(foreman.accepted.size() == 250);
  CHECK(is_empty());
}

TEST_CASE_METHOD(Fixture, "stop() does not wait for a Foreman that is away") {
  foreman.answer = [](const Json&) -> Status { return Error(Code::kUnavailable, "refused"); };
  put(1, 3);
  start();
  const Instant began = system_clock().instant();
  outbox->stop(Deadline::after(std::chrono::minutes(5)));
  CHECK(system_clock().instant() - began < std::chrono::minutes(4));
  CHECK(foreman.accepted.empty());
  CHECK_FALSE(is_empty());
}
