// A folder that goes with the test.
#pragma once

#include <memory>
#include <string>

#include "shared/base/temporary_folder.h"
#include "shared/persistence/sqlite/sqlite_store.h"

namespace dynflow::persistence {

class ScratchFolder {
 public:

  std::string path() const { return folder_.path().string(); }
  std::string file() const { return path() + "/dynflow.sqlite"; }
  // A store on that file; fails the test when it cannot be opened.
  std::unique_ptr<Store> open() const;
  std::unique_ptr<Store> open_started() const;
  // Runs SQL on the file, past the store, which must be closed.
  void execute(const std::string& sql) const;

 private:
  const TemporaryFolder folder_ = TemporaryFolder::make("dynflow-store").value();
};

}  // namespace dynflow::persistence
