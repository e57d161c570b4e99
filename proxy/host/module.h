// A part of the proxy with routes of its own: what upstream calls a plugin.
//
// Threads: start() and stop() from the program's main thread; the rest from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/host/features.h"
#include "shared/base/deadline.h"
#include "shared/base/result.h"
#include "shared/http/message.h"

namespace dynflow::proxy {

class Module {
 public:
  virtual ~Module() = default;

  // "/dynflow": everything at and below it is this module's.
  virtual std::string_view mount() const = 0;

  // Does nothing when the settings do not switch the module on. An error leaves its features `failed`; the proxy
  // goes on without it. Its text is one line.
  virtual Status start() = 0;
  // Lets what runs end until the deadline. Harmless twice or before start().
  virtual void stop(Deadline deadline) = 0;
  // Requests that wait for somebody else end soon, with 503: there is no more time to wait. Harmless before start().
  virtual void interrupt() = 0;

  // The module's own row, then those of the features that stand on it; never blocking.
  virtual std::vector<Feature> features() const = 0;

  // True while the module runs and is enabled for that protocol; only then handle() is called.
  virtual bool serves(bool is_tls) const = 0;
  virtual http::Response handle(http::Request& request) = 0;

  // What it tells of itself, as Prometheus reads it; families of its own. Never blocks for long.
  virtual std::string metrics() { return {}; }
};

}  // namespace dynflow::proxy
