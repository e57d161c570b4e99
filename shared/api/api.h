// The routes below /dynflow (in the standalone service: below /), as plain functions from request to response.
//
// Threads: handle() may be called from any thread; it blocks on the store.
//
// Source: theforeman/smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/{api,helpers}.rb. Other than there: input that is wrong is
// answered with 4xx and {"error":...}, update and done ask for a password or for the client's authorisation, never for neither.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/api/refresh.h"
#include "shared/engine/world.h"
#include "shared/http/message.h"
#include "shared/http/router.h"
#include "shared/json/json_fwd.h"
#include "shared/launcher/launcher.h"
#include "shared/launcher/one_time_passwords.h"
#include "shared/log/rate_limit.h"

namespace dynflow::api {

// The event that update and done send to the step they name; its data is the request's document.
inline constexpr std::string_view kExternalEvent = "Proxy::Dynflow::Runner::ExternalEvent";

// The refusal to send, or nothing when the client may do what it asks.
using Authorize = std::function<std::unique_ptr<http::Response>(const http::Request&)>;

class Api {
 public:
  // All outlive the object.
  Api(engine::World& world, const launcher::LauncherRegistry& launchers, launcher::OneTimePasswords& passwords);

  // `path`: below the mount point, still percent-encoded.
  http::Response handle(http::Request& request, std::string_view path, const Authorize& authorize);
  // From now on nothing is launched: 503. The other routes go on.
  void stop_launching() { launches_ = false; }

 private:
  using Params = http::Router::Params;
  using Method = http::Response (Api::*)(http::Request&, const Params&);

  void add(std::string method, std::string_view pattern, Method handler, bool slash_is_optional = false);

  http::Response launch(http::Request& request, const Params& params);
  http::Response create(http::Request& request, const Params& params);
  http::Response states(http::Request& request, const Params& params);
  http::Response statuses(http::Request& request, const Params& params);
  http::Response status(http::Request& request, const Params& params);
  http::Response cancel(http::Request& request, const Params& params);
  http::Response count(http::Request& request, const Params& params);
  http::Response update(http::Request& request, const Params& params);
  http::Response done(http::Request& request, const Params& params);
  http::Response operations(http::Request& request, const Params& params);
  http::Response unfinished(http::Request& request, const Params& params);

  http::Response external_event(http::Request& request, const Params& params, bool ends_task);
  launcher::LaunchContext context_of(const http::Request& request, const Json& input, std::string operation) const;
  void tell_order(const http::Request& request, const Params& params, std::string_view token) const;
  // Whether the password in the header is that of the task.
  bool has_password(const http::Request& request, std::string_view plan_id) const;

  engine::World& world_;
  const launcher::LauncherRegistry& launchers_;
  launcher::OneTimePasswords& passwords_;
  Refresher refresher_;
  http::Router router_;
  std::vector<Method> methods_;  // by the router's number
  log::RateLimit refusals_{10, std::chrono::minutes(1)};
  log::RateLimit unused_reports_{10, std::chrono::minutes(1)};
  std::atomic<bool> launches_{true};
};

}  // namespace dynflow::api
