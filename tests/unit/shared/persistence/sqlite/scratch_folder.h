// A folder that goes with the test.
#pragma once

#include <memory>
#include <string>

#include "shared/persistence/sqlite/sqlite_store.h"

namespace dynflow::persistence {

class ScratchFolder {
 public:
  ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder();

  const std::string& path() const { return path_; }
  std::string file() const { return path_ + "/dynflow.sqlite"; }
  // A store on that file; fails the test when it cannot be opened.
  std::unique_ptr<Store> open() const;
  std::unique_ptr<Store> open_started() const;
  // Runs SQL on the file, past the store, which must be closed.
  void execute(const std::string& sql) const;

 private:
  std::string path_;
};

}  // namespace dynflow::persistence
