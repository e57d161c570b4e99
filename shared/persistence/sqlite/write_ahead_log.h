// Keeps SQLite's write-ahead log short: its pages go to the database when nobody waits for the writer.
//
// Threads: one at a time, the one that owns the write connection.
#pragma once

#include "shared/persistence/sqlite/database.h"

namespace dynflow::persistence {

class WriteAheadLog {
 public:
  // Takes over from SQLite, which would checkpoint within somebody's commit.
  explicit WriteAheadLog(Database& database);
  WriteAheadLog(const WriteAheadLog&) = delete;
  WriteAheadLog& operator=(const WriteAheadLog&) = delete;

  // `is_idle`: there is nothing else to do.
  bool is_checkpoint_due(bool is_idle) const;
  // Copies what no reader still needs in the log. A failure is only logged: the log keeps what it has.
  void checkpoint();

 private:
  Database& database_;
  int pages_ = 0;               // in the log after the last commit
  int checkpointed_pages_ = 0;  // of them, at the last checkpoint
};

}  // namespace dynflow::persistence
