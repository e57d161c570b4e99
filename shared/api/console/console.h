// The web console: pages about plans and worlds, and buttons, below /console. Every page has a JSON twin: the same address with .json behind
// its path, or asked for with `Accept: application/json`.
//
// Who may see it is the caller's matter. Whatever is not a GET is guarded against other sites (form_guard.h).
//
// Threads: handle() from any thread; it blocks on the store.
//
// Source of routes and words: Dynflow 2.0.0, lib/dynflow/web/console.rb.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "shared/api/console/form_guard.h"
#include "shared/api/console/visit.h"
#include "shared/api/refresh.h"
#include "shared/engine/world.h"
#include "shared/http/message.h"
#include "shared/http/router.h"
#include "shared/log/rate_limit.h"

namespace dynflow::api::console {

class Console {
 public:
  // `world` outlives the object.
  explicit Console(engine::World& world);

  // Whether a path below the mount point, still percent-encoded, is the console's.
  static bool is_own(std::string_view path);
  // `path`: as above, one of its own.
  http::Response handle(http::Request& request, std::string_view path);

 private:
  using Params = http::Router::Params;
  using Method = http::Response (Console::*)(const Visit&, const Params&);
  struct Route {
    Method method = nullptr;
    bool changes = false;
  };

  void add(std::string method, std::string_view pattern, Method handler, bool slash_is_optional = false);

  http::Response list(const Visit& visit, const Params& params);
  http::Response sub_plans(const Visit& visit, const Params& params);
  http::Response worlds(const Visit& visit, const Params& params);
  http::Response to_worlds(const Visit& visit, const Params& params);
  http::Response plan(const Visit& visit, const Params& params);
  http::Response action(const Visit& visit, const Params& params);
  http::Response resume(const Visit& visit, const Params& params);
  http::Response cancel(const Visit& visit, const Params& params);
  http::Response halt(const Visit& visit, const Params& params);
  http::Response skip(const Visit& visit, const Params& params);
  http::Response cancel_step(const Visit& visit, const Params& params);

  engine::World& world_;
  FormGuard guard_;
  Refresher refresher_;
  http::Router router_;
  std::vector<Route> routes_;  // by the router's number
  log::RateLimit refusals_{10, std::chrono::minutes(1)};
};

}  // namespace dynflow::api::console
