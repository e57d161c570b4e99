// One of the places where tasks live: this process, or the core service behind the relay.
//
// Threads: start() and stop() by one thread at a time; the rest from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/dynflow/relay_headers.h"
#include "shared/base/deadline.h"
#include "shared/base/result.h"
#include "shared/core/core.h"
#include "shared/http/message.h"

namespace dynflow::proxy {

class Backend {
 public:
  virtual ~Backend() = default;
  virtual Status start() = 0;
  virtual void stop(Deadline deadline) = 0;
  // What is under way elsewhere ends soon, with 503: before stop(), when there is no more time to wait.
  virtual void interrupt() = 0;

  // Authorises and answers. `path` is the path below the mount point as it was sent, still
  // percent-encoded; at least "/".
  virtual http::Response handle(http::Request& request, std::string_view path) = 0;

  // Answers a request that the caller has authorised, or that shows a token, which the core compares. `mount` is where
  // the client sees this place; the request's target begins with it. `path` as above.
  virtual http::Response answer(http::Request& request, std::string_view path, std::string_view mount = kMount) = 0;

  // What it tells of itself, as Prometheus reads it; families of its own. Never blocks for long.
  virtual std::string metrics() { return {}; }

  // What can be launched there, as far as it is known now; never blocks.
  virtual std::vector<std::string> operations() const = 0;
  // The features that executors bring; nothing when only the other side knows them.
  virtual std::vector<core::FeatureInfo> features() const = 0;
  // Executors that are installed there and could not be used; nothing when only the other side knows them.
  virtual std::vector<core::FailedPlugin> failed_plugins() const = 0;
};

}  // namespace dynflow::proxy
