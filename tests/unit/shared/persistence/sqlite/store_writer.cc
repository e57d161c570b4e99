// Uses a store on behalf of crash_test.cc and fault_test.cc.
//
//   store_writer write FILE PREFIX   two batches for each of endless many plans; a line per completed batch
//   store_writer hold FILE           opens, says "open", and waits to be killed
//   store_writer try FILE            the same as an unprivileged user; says the error code and its text, or "open", and ends
//   store_writer limited FILE BYTES  writes under RLIMIT_FSIZE until that fails, lifts it, writes again; says how it went
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <semaphore>
#include <string>

#include "shared/persistence/sqlite/sqlite_store.h"
#include "tests/unit/shared/persistence/sample_plans.h"

namespace dynflow::persistence {
namespace {

// One write(2) a line: what the reader has seen was completed, whatever happens next.
void say(std::string line) {
  line += '\n';
  if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) std::_Exit(4);
}

std::unique_ptr<Store> open_or_exit(const std::string& file) {
  StoreOptions options;
  options.database = file;
  auto store = open_sqlite_store(options);
  if (!store.ok()) {
    say(std::string(to_string(store.error().code())));
    say(store.error().message());
    std::exit(0);
  }
  return std::move(*store);
}

std::unique_ptr<Store> start_or_exit(const std::string& file) {
  auto store = open_or_exit(file);
  if (!store->start().ok()) std::exit(3);
  return store;
}

// The first batch of a plan: it and an event. The second: all that ends it.
void write_forever(Store& store, const std::string& prefix) {
  std::counting_semaphore<> room(64);
  for (int i = 0;; ++i) {
    const std::string id = prefix + std::to_string(i);
    const auto completed = [&room](const std::string& line) {
      return [&room, line](const Status& status) {
        say(status.ok() ? line : "failed: " + status.error().message());
        room.release();
      };
    };
    WriteBatch first = insertion_of(id);
    first.add(WriteBatch::PutEvent{sample_event("event " + id, id)});
    PlanRecord plan = sample_plan(id);
    plan.steps[2].state = StepState::kSuccess;
    plan.steps[3].state = StepState::kSuccess;
    WriteBatch second = batch_of(
        WriteBatch::UpdateStep{id, plan.steps[2]}, WriteBatch::DeleteEvent{"event " + id},
        WriteBatch::AppendChunks{id, 2, {sample_chunk(1, std::string(500, 'a')), sample_chunk(2, "b")}},
        WriteBatch::UpdateAction{id, 2, "", R"({"done":true})"}, WriteBatch::UpdateStep{id, plan.steps[3]},
        WriteBatch::UpdatePlan{id, sample_progress(PlanState::kStopped, PlanResult::kSuccess)},
        WriteBatch::PutOutbox{sample_outbox("outbox " + id, id)});
    room.acquire();
    store.submit(std::move(first), Durability::kFull, completed("first " + id));
    room.acquire();
    store.submit(std::move(second), i % 2 == 0 ? Durability::kFull : Durability::kRelaxed, completed("second " + id));
  }
}

void write_under_limit(Store& store, rlim_t bytes) {
  ::signal(SIGXFSZ, SIG_IGN);  // the write(2) fails instead, as on a full disk
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit tight{bytes, limit.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &tight);
  int written = 0;
  Status status;
  while (status.ok() && written < 100'000) {
    status = store.commit(insertion_of(std::to_string(written)), Durability::kRelaxed);
    if (status.ok()) ++written;
  }
  say(status.ok() ? "no failure" : std::string(to_string(status.error().code())));
  ::setrlimit(RLIMIT_FSIZE, &limit);
  say(store.commit(insertion_of("after")).ok() ? "again ok" : "again failed");
  say(std::to_string(written + 1));
}

int run(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  const std::string file = argc > 2 ? argv[2] : "";
  const std::string third = argc > 3 ? argv[3] : "";
  if (mode == "write") {
    write_forever(*start_or_exit(file), third);
  } else if (mode == "hold") {
    const auto store = open_or_exit(file);
    say("open");
    while (true) ::pause();
  } else if (mode == "try") {
    constexpr uid_t kNobody = 65534;
    if (::geteuid() == 0 && (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) return 3;
    const auto store = open_or_exit(file);
    say("open");
  } else if (mode == "limited") {
    write_under_limit(*start_or_exit(file), std::stoul(third));
  } else {
    std::fputs("usage: store_writer write|hold|try|limited FILE [PREFIX|BYTES]\n", stderr);
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace dynflow::persistence

int main(int argc, char** argv) { return dynflow::persistence::run(argc, argv); }
