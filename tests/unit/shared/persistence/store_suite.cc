#include "tests/unit/shared/persistence/store_suite.h"

#include "tests/unit/shared/persistence/suite/tests.h"

namespace dynflow::persistence {

const std::vector<StoreTest>& store_tests() {
  static const std::vector<StoreTest> tests = [] {
    std::vector<StoreTest> all;
    for (const auto& part : {plan_tests(), list_tests(), message_tests(), cleaning_tests(), archive_tests(), delayed_tests(),
                             secret_tests(), world_tests(), lock_tests(), lifecycle_tests()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return tests;
}

}  // namespace dynflow::persistence
