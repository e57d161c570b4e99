// The TLS settings that new connections get, exchangeable while the program runs.
//
// Threads: all methods from any thread.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "shared/net/tls_context.h"

namespace dynflow::net {

class TlsHolder {
 public:
  void set(std::shared_ptr<const TlsServerContext> context) {
    const std::lock_guard lock(mutex_);
    context_ = std::move(context);
  }
  // Null before the first set().
  std::shared_ptr<const TlsServerContext> get() const {
    const std::lock_guard lock(mutex_);
    return context_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const TlsServerContext> context_;  // owners: this and the connections made with it
};

}  // namespace dynflow::net
