// The parts of the suite, by subject.
#pragma once

#include <vector>

#include "tests/unit/shared/persistence/store_suite.h"

namespace dynflow::persistence {

std::vector<StoreTest> plan_tests();
std::vector<StoreTest> list_tests();
std::vector<StoreTest> message_tests();
std::vector<StoreTest> cleaning_tests();
std::vector<StoreTest> archive_tests();
std::vector<StoreTest> delayed_tests();
std::vector<StoreTest> secret_tests();
std::vector<StoreTest> world_tests();
std::vector<StoreTest> lock_tests();
std::vector<StoreTest> lifecycle_tests();

}  // namespace dynflow::persistence
