// GET and POST /dynflow/mode: the mode for people and for tools.
//
//   GET   what ModeControl::document() says
//   POST  {"action":"begin","external_core":bool}, {"action":"cancel"}, {"action":"finish"}; with "force":true also when
//         something speaks against it; {"action":"drain"} and {"action":"undrain"}: refuse launches, take them again.
//         Answers with the document. 400, 409 and 503 say what is wrong.
//
// Both need what every management route needs: a trusted host and, over https, a client certificate. Every POST is in the
// log with the name of who sent it.
//
// Threads: all methods may be called from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "proxy/dynflow/mode_control.h"
#include "proxy/host/authorization.h"
#include "shared/base/result.h"
#include "shared/http/message.h"
#include "shared/json/json_fwd.h"

namespace dynflow::proxy {

class ModeRoutes {
 public:
  // `control` outlives the object. `ask_reload` has the program read its settings soon; from any thread, without a wait.
  ModeRoutes(ModeControl& control, std::shared_ptr<const Authorization> authorization, std::function<void()> ask_reload)
      : control_(control), authorization_(std::move(authorization)), ask_reload_(std::move(ask_reload)) {}

  // `path`: below the mount point. True for this object's own.
  static bool is_own(std::string_view path) { return path == "/mode"; }
  http::Response handle(http::Request& request, std::string_view path);

 private:
  http::Response change(http::Request& request);
  http::Response reload(const http::Request& request);
  struct Order;
  static Result<Order> order_in(const Json& document);
  // What was reached, for the log.
  Result<std::string> carry_out(const Order& order, const std::string& reason);

  ModeControl& control_;
  const std::shared_ptr<const Authorization> authorization_;  // owners: the host and its modules
  const std::function<void()> ask_reload_;
};

}  // namespace dynflow::proxy
