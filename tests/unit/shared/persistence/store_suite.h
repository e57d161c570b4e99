// One suite for all stores. A backend's test file runs every test of it on a fresh store of its own.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "shared/persistence/store.h"

namespace dynflow::persistence {

// `tags` names the behaviours of Dynflow's own tests that a test covers, as Catch2 tags.

// What any store must do. `store` is empty and started.
struct StoreTest {
  const char* name;
  const char* tags;
  void (*run)(Store& store);
};
const std::vector<StoreTest>& store_tests();

// What a store must do that outlives its object. Each call opens the same data, once the last store is gone; not started.
using OpenStore = std::function<std::unique_ptr<Store>()>;
struct DurableStoreTest {
  const char* name;
  const char* tags;
  void (*run)(const OpenStore& open);
};
const std::vector<DurableStoreTest>& durable_store_tests();

// What stores must do that several processes use at once. Each call opens another store on the same data, which is empty at the
// first; not started.
struct SharedStoreTest {
  const char* name;
  const char* tags;
  void (*run)(const OpenStore& open_another);
};
const std::vector<SharedStoreTest>& shared_store_tests();

}  // namespace dynflow::persistence
