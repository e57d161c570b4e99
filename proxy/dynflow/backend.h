// Where the dynflow plugin's requests go: into this process, or through the relay.
//
// Threads: start() and stop() from the main thread; the rest from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

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

  // Authorises and answers. `path` is the path below the mount point as it was sent, still
  // percent-encoded; at least "/".
  virtual http::Response handle(http::Request& request, std::string_view path) = 0;

  // What can be launched there, as far as it is known now; never blocks.
  virtual std::vector<std::string> operations() const = 0;
  // The features that executors bring; nothing when only the other side knows them.
  virtual std::vector<core::FeatureInfo> features() const = 0;
  // Executors that are installed there and could not be used; nothing when only the other side knows them.
  virtual std::vector<core::FailedPlugin> failed_plugins() const = 0;
};

}  // namespace dynflow::proxy
