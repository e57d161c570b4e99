#include "shared/api/api.h"

#include <fmt/core.h>
#include <strings.h>

#include <charconv>
#include <optional>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "shared/api/answers.h"
#include "shared/api/callback_host.h"
#include "shared/base/base64.h"
#include "shared/engine/status_document.h"
#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::api {
namespace {

using http::Request;
using http::Response;

// 100 entries with scripts of hundreds of kilobytes are a normal launch.
constexpr std::size_t kLargestLaunch = 64 * 1024 * 1024;
constexpr std::size_t kLargestEvent = 16 * 1024 * 1024;
constexpr std::size_t kLargestList = 4 * 1024 * 1024;
constexpr std::size_t kMostCallbacks = 100;   // that are counted: they are read for it
constexpr std::size_t kMostDocuments = 1000;  // in one answer, as many as Foreman asks for at once

// The body as a JSON object.
Result<Json> read_object(Request& request, std::size_t limit) {
  auto text = request.read_body(limit);
  if (!text) return text.error();
  json::Limits limits;
  limits.bytes = limit;
  auto document = json::parse(*text, limits);
  if (!document) return document.error();
  if (!document->is_object()) return Error(Code::kInvalid, "the request body must be a JSON object");
  return document;
}

// The ids of "task_ids" in order, each once; null entries are left out (Foreman sends them).
Result<std::vector<std::string>> task_ids(const Json& document) {
  std::vector<std::string> ids;
  const Json* list = json::find(document, "task_ids");
  if (list == nullptr || list->is_null()) return ids;
  if (!list->is_array()) return Error(Code::kInvalid, "task_ids must be a list of ids");
  std::set<std::string_view> seen;
  for (const Json& id : *list) {
    if (id.is_null()) continue;
    if (!id.is_string()) return Error(Code::kInvalid, "task_ids must be a list of ids");
    const auto& text = id.get_ref<const std::string&>();
    if (seen.insert(text).second) ids.push_back(text);
  }
  return ids;
}

// User and password of a header "Basic ...".
std::optional<std::pair<std::string, std::string>> basic_credentials(std::string_view header) {
  constexpr std::string_view kScheme = "Basic ";
  if (header.size() < kScheme.size() || strncasecmp(header.data(), kScheme.data(), kScheme.size()) != 0) return std::nullopt;
  const auto text = base64_decode(header.substr(kScheme.size()));
  if (!text) return std::nullopt;
  const auto colon = text->find(':');
  if (colon == std::string::npos) return std::nullopt;
  return std::pair(text->substr(0, colon), text->substr(colon + 1));
}

// Why callbacks wait: of the one that was tried last. Empty: none was tried yet.
std::string latest_error(const std::vector<persistence::OutboxRecord>& callbacks) {
  const persistence::OutboxRecord* latest = nullptr;
  for (const persistence::OutboxRecord& each : callbacks) {
    if (!each.last_error.empty() && (latest == nullptr || each.next_attempt_at > latest->next_attempt_at)) latest = &each;
  }
  return latest == nullptr ? std::string() : latest->last_error;
}

Response no_such_task(std::string_view id) { return error_answer(404, fmt::format("Task '{}' was not found", id)); }

}  // namespace

Api::Api(engine::World& world, const launcher::LauncherRegistry& launchers, launcher::OneTimePasswords& passwords)
    : world_(world), launchers_(launchers), passwords_(passwords), refresher_(world) {
  constexpr bool kSlashIsOptional = true;
  add("POST", "/tasks/launch", &Api::launch, kSlashIsOptional);
  add("POST", "/tasks", &Api::create, kSlashIsOptional);
  add("POST", "/tasks/status", &Api::states);
  add("POST", "/tasks/statuses", &Api::statuses);
  add("GET", "/tasks/count", &Api::count);
  add("GET", "/tasks/operations", &Api::operations);
  add("GET", "/tasks/unfinished", &Api::unfinished);
  add("GET", "/tasks/:id/status", &Api::status);
  add("POST", "/tasks/:id/cancel", &Api::cancel);
  add("POST", "/tasks/:id/update", &Api::update);
  add("POST", "/tasks/:id/done", &Api::done);
}

void Api::add(std::string method, std::string_view pattern, Method handler, bool slash_is_optional) {
  const std::size_t number = router_.add(std::move(method), pattern, slash_is_optional);
  if (methods_.size() <= number) methods_.resize(number + 1);
  methods_[number] = handler;
}

Response Api::handle(Request& request, std::string_view path, const Authorize& authorize) {
  const auto match = router_.match(request.method, path);
  const Method method = match ? methods_[match->route] : nullptr;
  // A host that reports about its task has a password instead of a certificate.
  const bool takes_password = method == &Api::update || method == &Api::done;
  if (takes_password && request.headers.has("Authorization")) {
    if (!has_password(request, match->params.get("id"))) {
      if (const auto held_back = refusals_.admit()) {
        log::warn({.request_id = request.request_id}, "wrong password for task {} from {}{}", match->params.get("id"),
                  request.peer.address, log::held_back_note(*held_back));
      }
      return error_answer(403, "Invalid username or password supplied");
    }
    tell_order(request, match->params, "its token");
  } else if (auto refusal = authorize(request)) {
    return std::move(*refusal);
  } else if (method != nullptr && request.method == "POST" && method != &Api::states && method != &Api::statuses) {
    tell_order(request, match->params, "");
  }
  if (method == nullptr) return not_found_answer();
  return (this->*method)(request, match->params);
}

// Who ordered what, for those who have to answer for it.
void Api::tell_order(const Request& request, const Params& params, std::string_view token) const {
  const std::string_view with = token.empty() ? "" : " with ";
  log::info({.request_id = request.request_id, .task_id = params.get("id")}, "{} {} by {}{}{}", request.method, request.path,
            http::describe(request.peer), with, token);
}

bool Api::has_password(const Request& request, std::string_view plan_id) const {
  const auto credentials = basic_credentials(*request.headers.get("Authorization"));
  return credentials && credentials->first == plan_id && passwords_.check(credentials->first, credentials->second);
}

launcher::LaunchContext Api::context_of(const Request& request, const Json& input, std::string operation) const {
  return {callback_host(input, request), request.request_id, request.session_id, std::move(operation)};
}

Response Api::launch(Request& request, const Params&) {
  if (!launches_) return error_answer(503, "The proxy is being stopped");
  auto document = read_object(request, kLargestLaunch);
  if (!document) return error_answer(document.error());
  const Json* operation = json::find(*document, "operation");
  if (operation == nullptr || !operation->is_string()) return error_answer(400, "operation must be the name of an operation");
  const auto& name = operation->get_ref<const std::string&>();
  launcher::Launcher* launcher = launchers_.find(name);
  if (launcher == nullptr) return error_answer(404, fmt::format("Unknown operation '{}' requested.", name));
  static const Json kNothing;
  const Json* input = json::find(*document, "input");
  const Json* options = json::find(*document, "options");
  if (input == nullptr) input = &kNothing;
  if (options == nullptr) options = &kNothing;
  if (!options->is_null() && !options->is_object()) return error_answer(400, "options must be an object");
  auto answer = launcher->launch(world_, *input, *options, context_of(request, *input, name));
  if (!answer) return error_answer(answer.error());
  return json_answer(json::dump(*answer));
}

Response Api::create(Request& request, const Params&) {
  if (!launches_) return error_answer(503, "The proxy is being stopped");
  auto document = read_object(request, kLargestLaunch);
  if (!document) return error_answer(document.error());
  const Json* action_name = json::find(*document, "action_name");
  if (action_name == nullptr || !action_name->is_string()) return error_answer(400, "action_name must be the name of an action");
  const Json* action_input = json::find(*document, "action_input");
  if (action_input == nullptr) return error_answer(400, "action_input must be an object");
  const Json entry{{"action_class", *action_name}, {"action_input", *action_input}};
  auto planned = launcher::launch_one(world_, entry, context_of(request, entry, {}));
  if (!planned) return error_answer(planned.error());
  return json_answer(json::dump(Json{{"task_id", planned->plan_id}}));
}

Response Api::states(Request& request, const Params&) {
  auto document = read_object(request, kLargestList);
  if (!document) return error_answer(document.error());
  auto ids = task_ids(*document);
  if (!ids) return error_answer(ids.error());
  if (ids->empty()) return json_answer("{}");
  auto found = world_.find_statuses(*ids);
  if (!found) return error_answer(found.error());
  std::string body = "{";
  for (const persistence::PlanStatus& plan : *found) {
    if (body.size() > 1) body += ',';
    json::dump_string_to(body, plan.id);
    body += fmt::format(R"(:{{"state":"{}","result":"{}"}})", to_string(plan.state), to_string(plan.result));
  }
  return json_answer(body + "}");
}

Response Api::statuses(Request& request, const Params&) {
  auto document = read_object(request, kLargestList);
  if (!document) return error_answer(document.error());
  auto ids = task_ids(*document);
  if (!ids) return error_answer(ids.error());
  if (ids->empty()) return error_answer(422, "No task_ids were given");
  if (ids->size() > kMostDocuments) return error_answer(413, fmt::format("at most {} task_ids at once", kMostDocuments));
  std::string body = "{";
  for (const std::string& id : *ids) {
    auto plan = engine::status_document(world_, id);
    if (!plan && plan.error().code() == Code::kNotFound) continue;
    if (!plan) return error_answer(plan.error());
    if (body.size() > 1) body += ',';
    json::dump_string_to(body, id);
    body += ':';
    body += *plan;
  }
  return json_answer(body + "}");
}

Response Api::status(Request&, const Params& params) {
  const std::string id(params.get("id"));
  auto plan = engine::status_document(world_, id);
  if (!plan && plan.error().code() == Code::kNotFound) return json_answer("{}", 404);
  if (!plan) return error_answer(plan.error());
  refresher_.looked_at(id);
  return json_answer(std::move(*plan));
}

Response Api::cancel(Request&, const Params& params) {
  const std::string_view id = params.get("id");
  auto count = world_.cancel(id);
  if (!count && count.error().code() == Code::kNotFound) return no_such_task(id);
  if (!count) return error_answer(count.error());
  return json_answer(json::dump(Json{{"task_id", id}, {"canceled_steps_count", *count}}));
}

Response Api::count(Request& request, const Params&) {
  const auto asked = request.query_values("state");
  const std::string state = asked.empty() ? "all" : asked.back();
  std::int64_t number = 0;
  const auto known = persistence::parse_plan_state(state);
  if (known || state == "all") {
    auto counted = world_.store().count_plans(known);
    if (!counted) return error_answer(counted.error());
    number = *counted;
  }
  return json_answer(json::dump(Json{{"count", number}, {"state", state}}));
}

Response Api::update(Request& request, const Params& params) { return external_event(request, params, false); }
Response Api::done(Request& request, const Params& params) { return external_event(request, params, true); }

Response Api::external_event(Request& request, const Params& params, bool ends_task) {
  auto document = read_object(request, kLargestEvent);
  if (!document) return error_answer(document.error());
  const Json* step = json::find(*document, "step_id");
  const auto step_id = json::get_int(*document, "step_id", 0);
  if (step == nullptr || !step->is_number_integer() || step_id < 1 || step_id > 1'000'000) {
    return error_answer(400, "step_id must be the number of a step");
  }
  const std::string id(params.get("id"));
  const Status sent = world_.send_durable(id, static_cast<int>(step_id), {std::string(kExternalEvent), std::move(*document)});
  // Hosts are told nothing about tasks that are gone, or that do not wait: as upstream, and they could do nothing about it.
  const bool is_lost = !sent && (sent.error().code() == Code::kNotFound || sent.error().code() == Code::kConflict);
  if (is_lost) {
    if (const auto held_back = unused_reports_.admit()) {
      log::info({.request_id = request.request_id, .task_id = id}, "report from {} was not used: {}{}", request.peer.address,
                sent.error().message(), log::held_back_note(*held_back));
    }
  } else if (!sent) {
    return error_answer(sent.error());
  }
  if (ends_task) passwords_.drop(id);
  return json_answer("");
}

// What somebody has to wait for who wants to stop this core. Ours alone: no upstream has such a route.
Response Api::unfinished(Request& request, const Params&) {
  const auto asked = request.query_values("limit");
  std::size_t limit = kMostDocuments;
  if (!asked.empty()) {
    const std::string& text = asked.back();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (error != std::errc() || end != text.data() + text.size()) return error_answer(400, "limit must be a number");
  }
  auto ids = world_.store().load_unfinished();
  if (!ids) return error_answer(ids.error());
  auto statuses = world_.find_statuses(*ids);
  if (!statuses) return error_answer(statuses.error());
  auto callbacks = world_.store().load_due_outbox(Time::max(), kMostCallbacks, {});
  if (!callbacks) return error_answer(callbacks.error());
  std::size_t number = 0;
  Json some = Json::array();
  for (const persistence::PlanStatus& plan : *statuses) {
    // A paused plan waits for a human, for ever if need be.
    if (plan.state == persistence::PlanState::kStopped || plan.state == persistence::PlanState::kPaused) continue;
    ++number;
    if (some.size() < limit) some.push_back(plan.id);
  }
  Json document{{"count", number}, {"callbacks", callbacks->size()}, {"task_ids", std::move(some)}};
  if (std::string error = latest_error(*callbacks); !error.empty()) document["callback_error"] = std::move(error);
  return json_answer(json::dump(document));
}

Response Api::operations(Request&, const Params&) { return json_answer(json::dump(Json(launchers_.operations()))); }

}  // namespace dynflow::api
