// The proxy behind its listeners: every request comes through here.
//
// Threads: start_modules() and stop_modules() from the main thread; handle() and features() from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "proxy/host/authorization.h"
#include "proxy/host/features.h"
#include "proxy/host/module.h"
#include "proxy/host/request_trace.h"
#include "shared/base/deadline.h"
#include "shared/http/message.h"
#include "shared/http/site_guard.h"
#include "shared/log/buffer.h"
#include "shared/metrics/requests.h"

namespace dynflow::proxy {

class Host {
 public:
  struct Parts {
    std::shared_ptr<const Authorization> authorization;  // owners: the host and its modules
    std::vector<std::unique_ptr<Module>> modules;        // in the order of registration
    Feature logs;                                        // the row of /logs; registered last, as built-ins are
    std::shared_ptr<log::Buffer> buffer;                 // owners: the host, the logger and the program
    std::shared_ptr<const Authorization> metrics_readers{};  // owners: the host and the program; who may read /metrics besides; null: nobody
    RequestTrace trace{};
    std::function<metrics::ServerLoad()> load{};         // of the server in front; empty: not told
  };
  explicit Host(Parts parts);

  // Starts every module. One that cannot start is logged, shown in /logs as failed, and left out.
  void start_modules();
  void stop_modules(Deadline deadline);
  // Requests under way end soon, with 503.
  void interrupt_modules();

  // Logs the request, answers it, adds the fields that every answer carries. Never throws.
  http::Response handle(http::Request& request);

  // Every row in the order of registration.
  std::vector<Feature> features() const;

 private:
  void tell_failure(const Feature& row, const Status& started) const;
  http::Response dispatch(http::Request& request);
  http::Response own_route(const http::Request& request) const;
  http::Response metrics(const http::Request& request) const;
  Module* module_for(const http::Request& request) const;

  Parts parts_;
  const http::SiteGuard other_sites_;
  metrics::Requests requests_;
};

// 404 "Requested url was not found": upstream's page for whatever is unknown, a wrong method too
// (smart-proxy 3.11, lib/sinatra/default_not_found_page.rb).
http::Response not_found_page();

}  // namespace dynflow::proxy
