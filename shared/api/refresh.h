// Tells the runners behind a task that somebody looks at it, so that they fetch what they do not push.
//
// Threads: all methods may be called from any thread.
//
// Source: smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/helpers.rb:69-73. There every look sends an event.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>

#include "shared/engine/world.h"

namespace dynflow::api {

class Refresher {
 public:
  explicit Refresher(engine::World& world, std::chrono::milliseconds interval = std::chrono::seconds(1))
      : world_(world), interval_(interval) {}

  // At most once an interval and task.
  void looked_at(const std::string& plan_id);

 private:
  bool is_due(const std::string& plan_id);

  engine::World& world_;
  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::map<std::string, Instant> last_;  // of the last interval, and now and then older ones
  Instant next_sweep_{};
};

}  // namespace dynflow::api
