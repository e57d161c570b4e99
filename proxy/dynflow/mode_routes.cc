#include "proxy/dynflow/mode_routes.h"

#include <fmt/format.h>

#include <optional>

#include "proxy/dynflow/side_questions.h"
#include "proxy/host/host.h"
#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::proxy {
namespace {

constexpr std::size_t kLargestBody = 64 * 1024;

http::Response document_of(ModeControl& control) {
  return http::text_response(200, json::dump(control.document()), "application/json");
}

// A page in a browser can send a form to us with the user's certificate, but not this type.
bool is_json(const http::Request& request) {
  const auto type = request.headers.get("Content-Type");
  return type && type->substr(0, type->find(';')) == "application/json";
}

}  // namespace

struct ModeRoutes::Order {
  std::optional<ModeEvent> event;  // nothing: a drain or its end, or the settings shall be read again
  std::string name;
  bool is_forced = false;
  bool is_drained = false;
};

Result<ModeRoutes::Order> ModeRoutes::order_in(const Json& document) {
  const auto wrong = [](std::string_view why) { return Error(Code::kInvalid, std::string(why)); };
  if (!document.is_object()) return wrong("the request body must be a JSON object");
  for (const auto& [key, value] : document.items()) {
    if (key != "action" && key != "external_core" && key != "force") return wrong(fmt::format("\"{}\" means nothing here", key));
  }
  const Json* force = json::find(document, "force");
  if (force != nullptr && !force->is_boolean()) return wrong("\"force\" must be true or false");
  const bool is_forced = force != nullptr && force->get<bool>();
  const Json* external = json::find(document, "external_core");
  if (external != nullptr && !external->is_boolean()) return wrong("\"external_core\" must be true or false");
  const std::string action = json::get_string(document, "action");
  if (action == "begin") {
    if (external == nullptr) return wrong("\"begin\" needs \"external_core\": true or false");
    const bool is_external = external->get<bool>();
    return Order{is_external ? ModeEvent::kAskExternal : ModeEvent::kAskInProcess, fmt::format("begin, external_core {}", is_external), is_forced};
  }
  if (external != nullptr) return wrong("\"external_core\" belongs to \"begin\" only");
  if (action == "drain" || action == "undrain" || action == "reload") {
    if (force != nullptr) return wrong(fmt::format("\"force\" means nothing with \"{}\"", action));
    return Order{std::nullopt, action, false, action == "drain"};
  }
  if (action != "cancel" && action != "finish") {
    return wrong("\"action\" must be \"begin\", \"cancel\", \"finish\", \"drain\", \"undrain\" or \"reload\"");
  }
  return Order{action == "cancel" ? ModeEvent::kCancel : ModeEvent::kFinish, action, is_forced};
}

Result<std::string> ModeRoutes::carry_out(const Order& order, const std::string& reason) {
  if (!order.event) {
    const auto done = control_.set_drained(order.is_drained, reason);
    if (!done) return done.error();
    return std::string(order.is_drained ? "launches are refused" : "launches are taken");
  }
  const auto done = control_.change(*order.event, reason, order.is_forced);
  if (!done) return done.error();
  return fmt::format("the mode is {}", to_string(*done));
}

http::Response ModeRoutes::handle(http::Request& request, std::string_view path) {
  if (auto refused = authorization_->refusal(request, path)) return std::move(*refused);
  if (request.method == "GET" || request.method == "HEAD") return document_of(control_);
  if (request.method == "POST") return change(request);
  return not_found_page();
}

http::Response ModeRoutes::change(http::Request& request) {
  if (!is_json(request)) return http::error_response(415, "the content type must be application/json");
  auto text = request.read_body(kLargestBody);
  if (!text) return http::error_response(text.error());
  const auto document = json::parse(*text);
  if (!document) return http::error_response(document.error());
  const auto order = order_in(*document);
  if (!order) return http::error_response(order.error());

  if (order->name == "reload") return reload(request);
  const log::Context context{.request_id = request.request_id};
  const std::string reason = fmt::format("{}{} by {}", order->name, order->is_forced ? " (forced)" : "", http::describe(request.peer));
  const auto done = carry_out(*order, reason);
  if (!done) {
    log::warn(context, "Mode: refused {}: {}", reason, done.error().message());
    if (done.error().code() == Code::kConflict) return http::error_response(done.error());
    return refuse_for_now(done.error().message());
  }
  log::info(context, "Mode: {} is granted, {}", reason, *done);
  return document_of(control_);
}

http::Response ModeRoutes::reload(const http::Request& request) {
  log::info({.request_id = request.request_id}, "Mode: reload by {}", http::describe(request.peer));
  ask_reload_();
  // What comes of it is in the log, as of every reload: it may take a while, and a new value of external_core begins a hand-over.
  http::Response response = document_of(control_);
  response.status = 202;
  return response;
}

}  // namespace dynflow::proxy
