// Hears from other worlds that there is something to look at: LISTEN on a connection of its own. Wakes also now and then without being
// told, and after the connection was lost, so that nothing is missed for long.
//
// Threads: start(), stop(): one at a time; the others any. `wake` is called on the notifier's thread.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

#include "shared/base/fd.h"
#include "shared/base/thread.h"
#include "shared/persistence/postgres/connection.h"

namespace dynflow::persistence::postgres {

class Notifier {
 public:
  explicit Notifier(const ServerUrl& url);
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;
  ~Notifier() { stop(); }

  void set_wake(std::function<void()> wake);
  // Whose messages count, beside those for all.
  void set_world(const std::string& world);
  // The server's process whose messages need no waking: this store's writer. 0: none.
  void ignore(int backend) { ignored_ = backend; }

  // Harmless twice, both.
  void start();
  void stop();

 private:
  void run();
  Result<Connection> connect();
  // Until the connection is lost or stop() is called.
  Status listen(Connection& connection);
  bool concerns_us(const Connection::Notification& notification);
  void wake();
  // False: stop() was called.
  bool sleep(Duration duration) const;

  const ServerUrl& url_;
  const Fd stop_fd_;  // an eventfd, readable once stop() was called
  std::atomic<int> ignored_{0};
  std::mutex mutex_;
  std::function<void()> wake_;
  std::string world_;
  NamedThread thread_;
};

}  // namespace dynflow::persistence::postgres
