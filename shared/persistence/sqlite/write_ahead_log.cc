#include "shared/persistence/sqlite/write_ahead_log.h"

#include <sqlite3.h>

#include "shared/log/log.h"

namespace dynflow::persistence {
namespace {

constexpr int kIdlePages = 250;   // 1 MB: worth the flush when there is nothing else to do
constexpr int kBusyPages = 8000;  // 32 MB: a longer log makes every read slower

int remember_pages(void* pages, sqlite3*, const char*, int count) {
  *static_cast<int*>(pages) = count;
  return SQLITE_OK;
}

}  // namespace

WriteAheadLog::WriteAheadLog(Database& database) : database_(database) {
  sqlite3_wal_hook(database_.handle(), remember_pages, &pages_);
}

bool WriteAheadLog::is_checkpoint_due(bool is_idle) const {
  // The log starts again from its beginning after a checkpoint that nobody was in the way of.
  const int done = pages_ < checkpointed_pages_ ? 0 : checkpointed_pages_;
  return pages_ - done >= (is_idle ? kIdlePages : kBusyPages);
}

void WriteAheadLog::checkpoint() {
  checkpointed_pages_ = pages_;  // also after a failure: the next attempt comes after as many pages again
  int in_log = 0;
  int copied = 0;
  const int code =
      sqlite3_wal_checkpoint_v2(database_.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied);
  if (code != SQLITE_OK) log::warn({}, "database checkpoint: {}", sqlite3_errstr(code));
}

}  // namespace dynflow::persistence
