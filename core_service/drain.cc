#include "core_service/drain.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "shared/base/file.h"
#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::core_service {
namespace {

constexpr std::size_t kLargestOrder = 64 * 1024;
constexpr std::size_t kLargestLaunch = 64 * 1024 * 1024;  // as the core's own
constexpr std::string_view kRetryAfterSeconds = "30";      // a drain lasts as long as jobs do

http::Response refuse() {
  http::Response response = http::error_response(503, "This core is being drained: it takes no new tasks");
  response.headers.set("Retry-After", std::string(kRetryAfterSeconds));
  return response;
}

// The ids of a launch of many; empty for what names none.
std::vector<std::string> ids_of(const std::string& text) {
  std::vector<std::string> ids;
  const auto document = json::parse(text);
  const Json* input = document ? json::find(*document, "input") : nullptr;
  if (input == nullptr || !input->is_object()) return ids;
  for (const auto& [id, entry] : input->items()) {
    if (!entry.is_object()) return {};
    ids.push_back(id);
  }
  return ids;
}

}  // namespace

Drain::Drain(std::filesystem::path file, const Clock& clock) : file_(std::move(file)), clock_(clock) {
  constexpr bool kSlashIsOptional = true;
  launches_.add("POST", "/tasks/launch", kSlashIsOptional);
  launches_.add("POST", "/tasks", kSlashIsOptional);
  counts_.add("GET", "/tasks/count");
}

void Drain::load() {
  if (file_.empty()) return;
  const auto text = read_file(file_);
  if (!text && text.error().code() == Code::kNotFound) return;
  const auto document = text ? json::parse(*text) : Result<Json>(text.error());
  State state{clock_.now(), "what was remembered cannot be read"};
  if (document && document->is_object()) {
    state.since = parse_dynflow_time(json::get_string(*document, "since")).value_or(state.since);
    state.reason = json::get_string(*document, "reason");
  }
  log::warn({}, "Launches are refused since {} ({}); POST /drain with undrain takes them again", dynflow_time(state.since), state.reason);
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
}

bool Drain::is_drained() const {
  const std::lock_guard lock(mutex_);
  return state_.has_value();
}

Status Drain::remember(const std::optional<State>& state) const {
  if (file_.empty()) return {};
  if (state) return replace_file(file_, json::dump(Json{{"since", dynflow_time(state->since)}, {"reason", state->reason}}) + "\n");
  std::error_code failure;
  std::filesystem::remove(file_, failure);
  return failure ? Status(Error(Code::kUnavailable, fmt::format("cannot remove {}: {}", file_.string(), failure.message()))) : Status();
}

Result<bool> Drain::set(bool is_drained, std::string reason) {
  const std::lock_guard order(orders_);
  if (this->is_drained() == is_drained) return false;
  std::optional<State> state;
  if (is_drained) state = State{clock_.now(), std::move(reason)};
  if (Status done = remember(state); !done) return done.error();
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
  return true;
}

http::Response Drain::document() const {
  const std::lock_guard lock(mutex_);
  Json document{{"drained", nullptr}};
  if (state_) document["drained"] = Json{{"since", dynflow_time(state_->since)}, {"reason", state_->reason}};
  return http::text_response(200, json::dump(document), "application/json");
}

http::Response Drain::handle(http::Request& request) {
  if (request.method == "GET" || request.method == "HEAD") return document();
  if (request.method != "POST") return http::error_response(404, "Requested url was not found");
  // A page in a browser can send a form to us, but not this type.
  const auto type = request.headers.get("Content-Type");
  if (!type || type->substr(0, type->find(';')) != "application/json") return http::error_response(415, "the content type must be application/json");
  const auto text = request.read_body(kLargestOrder);
  if (!text) return http::error_response(text.error());
  const auto order = json::parse(*text);
  if (!order) return http::error_response(order.error());
  const std::string action = order->is_object() && order->size() == 1 ? json::get_string(*order, "action") : "";
  if (action != "drain" && action != "undrain") return http::error_response(400, "\"action\" must be \"drain\" or \"undrain\", and nothing else is understood");
  const std::string reason = fmt::format("{} by {}", action, http::describe(request.peer));
  const auto done = set(action == "drain", reason);
  if (!done) {
    log::warn({.request_id = request.request_id}, "refused {}: {}", reason, done.error().message());
    return http::error_response(503, done.error().message());
  }
  if (*done) log::info({.request_id = request.request_id}, "{}: launches are {}", reason, action == "drain" ? "refused" : "taken");
  return document();
}

bool Drain::concerns(const http::Request& request, std::string_view path) const {
  return is_drained() && (counts_.match(request.method, path) || launches_.match(request.method, path));
}

std::unique_ptr<http::Response> Drain::refusal(http::Request& request, std::string_view path, const Knows& knows) const {
  if (!concerns(request, path)) return nullptr;
  if (counts_.match(request.method, path)) return std::make_unique<http::Response>(refuse());
  auto text = request.read_body(kLargestLaunch);
  if (!text) return std::make_unique<http::Response>(http::error_response(text.error()));
  const std::vector<std::string> ids = ids_of(*text);
  const auto known = ids.empty() ? Result<std::size_t>(0) : knows(ids);
  if (!known || *known == 0 || *known < ids.size()) return std::make_unique<http::Response>(refuse());
  request.body = http::body_of(*std::move(text));
  return nullptr;
}

}  // namespace dynflow::core_service
