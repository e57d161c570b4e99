#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/shared/persistence/sample_plans.h"
#include "tests/unit/shared/persistence/suite/probes.h"
#include "tests/unit/shared/persistence/suite/tests.h"

namespace dynflow::persistence {
namespace {

void secrets_come_and_go(Store& store) {
  WriteBatch batch = insertion_of("a");
  batch.add(WriteBatch::PutSecrets{"a", "sealed"});
  WriteBatch other = insertion_of("b");
  require_ok(store.commit(std::move(batch)));
  require_ok(store.commit(std::move(other)));
  CHECK(get(store.load_secrets("a")) == "sealed");
  require_code(store.load_secrets("b"), Code::kNotFound);
  require_code(store.load_secrets("unknown"), Code::kNotFound);
  require_ok(store.commit(batch_of(WriteBatch::PutSecrets{"a", "again"}, WriteBatch::PutSecrets{"b", "others"})));
  CHECK(get(store.load_secrets("a")) == "again");
  require_ok(store.commit(batch_of(WriteBatch::DeleteSecrets{"a"}, WriteBatch::DeleteSecrets{"unknown"})));
  require_code(store.load_secrets("a"), Code::kNotFound);
  CHECK(get(store.load_secrets("b")) == "others");
  // In one batch the last word counts.
  require_ok(store.commit(batch_of(WriteBatch::PutSecrets{"a", "1"}, WriteBatch::DeleteSecrets{"a"}, WriteBatch::PutSecrets{"a", "2"})));
  CHECK(get(store.load_secrets("a")) == "2");
}

void secrets_need_their_plan(Store& store) {
  require_code(store.commit(batch_of(WriteBatch::PutSecrets{"unknown", "sealed"})), Code::kNotFound);
  require_code(store.commit(batch_of(WriteBatch::PutSecrets{"unknown", std::string("a\0b", 3)})), Code::kInvalid);
}

void secrets_go_with_their_plan(Store& store) {
  WriteBatch batch = insertion_of("stopped");
  batch.add(WriteBatch::PutSecrets{"stopped", "sealed"});
  batch.add(insertion_of("running"));
  batch.add(WriteBatch::PutSecrets{"running", "kept"});
  require_ok(store.commit(std::move(batch)));
  const auto stop = [&] {
    require_ok(store.commit(batch_of(WriteBatch::UpdatePlan{"stopped", sample_progress(PlanState::kStopped, PlanResult::kError)})));
  };
  stop();
  // Whoever stopped it knew nothing of them.
  CHECK(get(store.sweep()) == 1);
  require_code(store.load_secrets("stopped"), Code::kNotFound);
  CHECK(get(store.load_secrets("running")) == "kept");
  require_ok(store.commit(batch_of(WriteBatch::PutSecrets{"stopped", "sealed"})));
  CHECK(get(store.clean(kSampleTime + std::chrono::seconds(1), 10)) == 1);
  require_ok(store.commit(insertion_of("stopped")));
  require_code(store.load_secrets("stopped"), Code::kNotFound);
}

}  // namespace

std::vector<StoreTest> secret_tests() {
  return {{"sealed secrets come and go", "", secrets_come_and_go},
          {"sealed secrets need their plan", "", secrets_need_their_plan},
          {"sealed secrets go with their plan", "", secrets_go_with_their_plan}};
}

}  // namespace dynflow::persistence
