// A PostgreSQL server of the tests' own: a cluster in a temporary folder, on a free loopback port, that syncs to the disk as one in
// production does. Started once a test binary.
//
// Threads: one at a time.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "shared/persistence/store.h"

namespace dynflow::persistence {

class Cluster {
 public:
  // The one of this process; started at the first call, gone when the process ends.
  static Cluster& get();

  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;
  ~Cluster();

  int port() const { return port_; }
  // A schema of its own for a test, as a URL. `port`: of a proxy in between.
  std::string make_schema();
  std::string url(const std::string& schema, int port = 0) const;

  void start();
  // "fast": connections are cut, everything is written; "immediate": as if killed.
  void stop(const std::string& mode);
  // Runs SQL as the owner of the cluster; the first column of the first row. Fails the test when it cannot.
  std::string execute(const std::string& sql, const std::string& schema = "public") const;

 private:
  Cluster();

  std::string folder_;
  std::string data_;
  int port_ = 0;
  int schemas_ = 0;
  bool is_running_ = false;
};

std::unique_ptr<Store> open_store(const std::string& url, std::size_t readers = 4);
std::unique_ptr<Store> open_started(const std::string& url);

}  // namespace dynflow::persistence
