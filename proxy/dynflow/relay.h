// The relay: requests below /dynflow go to the core service at `core_url`, as RFC 9110 proxies pass them on, streaming
// both ways.
//
// What goes wrong on the core's side is an answer of ours: 503 with Retry-After when it cannot be reached or has no
// connection free, 504 when it is too slow, 502 when it answers nonsense or stops in the middle of a short body; a
// long body that stops is cut off towards the client too, never passed on as complete.
//
// A core that hangs is found out by questions of our own; while it does, requests get their 503 at once (circuit.h).
//
// Threads: start() and stop() from the main thread; the rest from any thread. One thread of its own asks the core
// which operations it has, which is also how it looks whether the core lives.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "proxy/dynflow/backend.h"
#include "proxy/dynflow/circuit.h"
#include "proxy/dynflow/relay_headers.h"
#include "proxy/host/authorization.h"
#include "shared/base/clock.h"
#include "shared/base/thread.h"
#include "shared/http/client.h"
#include "shared/metrics/numbers.h"
#include "shared/net/tls_context.h"

namespace dynflow::proxy {

struct RelayOptions {
  CoreUrl core;
  net::TlsClientOptions tls;           // used when the core speaks TLS
  std::size_t max_connections = 64;
  // How long the answer to what may be asked twice (GET and HEAD without a body) may take to begin, before it is asked again; 0: for ever.
  // A request as a whole has its deadline.
  Duration try_timeout = std::chrono::seconds(30);
};

class Relay final : public Backend {
 public:
  // Errors: kInvalid when certificates cannot be read.
  static Result<std::unique_ptr<Relay>> create(const RelayOptions& options,
                                               std::shared_ptr<const Authorization> authorization);
  ~Relay() override;

  Status start() override;
  void stop(Deadline deadline) override;
  void interrupt() override { pool_.abort(); }
  http::Response handle(http::Request& request, std::string_view path) override;
  http::Response answer(http::Request& request, std::string_view path, std::string_view mount) override;
  std::string metrics() override;
  std::vector<std::string> operations() const override;
  std::vector<core::FeatureInfo> features() const override { return {}; }
  std::vector<core::FailedPlugin> failed_plugins() const override { return {}; }

 private:
  Relay(const RelayOptions& options, std::shared_ptr<const net::TlsClientContext> tls,
        std::shared_ptr<const Authorization> authorization);

  http::Response pass_on(http::Request& request, const std::string& target, std::string_view mount);
  // Asks the core, a second time when that can do no harm.
  Result<http::ClientResponse> ask(const http::Request& request, const std::string& target, std::string_view mount, http::BodyStream* body);
  http::Response answer_for(const Error& error, const http::Request& request);
  void watch_operations();
  // False: no answer at all.
  bool ask_operations();
  void look_at_core();

  const CoreUrl core_;
  const std::string origin_;  // of the core, for messages
  const Duration try_timeout_;
  const std::shared_ptr<const Authorization> authorization_;  // owners: the host and its modules
  http::ClientPool pool_;
  // Of its own, so that it never waits for a connection that a hung request holds.
  http::ClientPool probe_pool_;
  Circuit circuit_;
  metrics::Histogram durations_{metrics::kQuick};  // of requests passed on, until the head of their answer or their failure
  metrics::Counter refused_;                       // while the core was known to hang
  metrics::Counter unreachable_;
  metrics::Counter timeouts_;
  metrics::Counter second_tries_;                  // as the core said nothing to the first one
  metrics::Counter nonsense_;                      // no proper answer

  mutable std::mutex mutex_;                 // guards what follows
  mutable std::condition_variable changed_;
  mutable bool is_asked_for_ = false;        // somebody read the operations since they were last fetched
  bool has_stopped_ = false;
  std::vector<std::string> operations_;      // empty until the core told
  Instant fetched_{};
  int last_status_ = 0;                      // of the last question; only the watcher touches it
  NamedThread watcher_;
};

}  // namespace dynflow::proxy
