#include "tests/unit/shared/persistence/sqlite/scratch_folder.h"

#include <sqlite3.h>

#include <catch2/catch.hpp>

namespace dynflow::persistence {

std::unique_ptr<Store> ScratchFolder::open() const {
  StoreOptions options;
  options.database = file();
  auto store = open_sqlite_store(options);
  INFO((store.ok() ? std::string() : store.error().message()));
  REQUIRE(store.ok());
  return std::move(*store);
}

std::unique_ptr<Store> ScratchFolder::open_started() const {
  auto store = open();
  REQUIRE(store->start().ok());
  return store;
}

void ScratchFolder::execute(const std::string& sql) const {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(file().c_str(), &database) == SQLITE_OK);
  const int code = sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr);
  INFO(sqlite3_errmsg(database));
  CHECK(code == SQLITE_OK);
  sqlite3_close(database);
}

}  // namespace dynflow::persistence
