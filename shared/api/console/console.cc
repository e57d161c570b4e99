#include "shared/api/console/console.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "shared/api/console/action_page.h"
#include "shared/api/console/commands.h"
#include "shared/api/console/list_page.h"
#include "shared/api/console/page.h"
#include "shared/api/console/plan_page.h"
#include "shared/api/console/worlds_page.h"
#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::api::console {
namespace {

constexpr std::size_t kLargestForm = 64 * 1024;
constexpr std::string_view kJsonSuffix = ".json";

// The number of a step or action; nothing for what is none.
std::optional<int> number_of(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = error == std::errc() && end == text.data() + text.size() && number > 0;
  return is_number ? std::optional(number) : std::nullopt;
}

// The `token` field of a form, which is written as a query is.
std::string token_in(const std::string& form) {
  http::Request fields;
  fields.query = form;
  auto values = fields.query_values("token");
  return values.empty() ? std::string() : std::move(values.back());
}

http::Response not_found(const Visit& visit) { return failure_answer(visit, 404, "There is no such page"); }

http::Response answer_of(const Visit& visit, const std::string& plan_id, std::string_view command, const Result<Outcome>& outcome) {
  const log::Context context{.request_id = visit.request.request_id, .task_id = plan_id};
  if (!outcome.ok()) {
    log::warn(context, "console: {} by {}: {}", command, http::describe(visit.request.peer), outcome.error().message());
    return failure_answer(visit, outcome.error());
  }
  log::info(context, "console: {} by {}: {}", command, http::describe(visit.request.peer), text_of(*outcome));
  if (visit.wants_json) {
    const std::string text(text_of(*outcome));
    return is_success(*outcome) ? document_answer(Json{{"notice", text}}) : failure_answer(visit, 409, text);
  }
  return redirect_answer(visit.links.plan(plan_id, fmt::format("?notice={}", word_of(*outcome))));
}

}  // namespace

Console::Console(engine::World& world) : world_(world), guard_(world.clock()), refresher_(world) {
  constexpr bool kSlashIsOptional = true;
  add("GET", "/console", &Console::list, kSlashIsOptional);
  add("GET", "/console/worlds", &Console::worlds);
  add("GET", "/console/status", &Console::to_worlds);
  add("GET", "/console/:id", &Console::plan);
  add("GET", "/console/:id/actions/:action", &Console::action);
  add("GET", "/console/:id/actions/:action/sub_plans", &Console::sub_plans);
  add("POST", "/console/:id/resume", &Console::resume);
  add("POST", "/console/:id/cancel", &Console::cancel);
  add("POST", "/console/:id/halt", &Console::halt);
  add("POST", "/console/:id/skip/:step", &Console::skip);
  add("POST", "/console/:id/cancel/:step", &Console::cancel_step);
}

void Console::add(std::string method, std::string_view pattern, Method handler, bool slash_is_optional) {
  const bool changes = method == "POST";
  const std::size_t number = router_.add(std::move(method), pattern, slash_is_optional);
  if (routes_.size() <= number) routes_.resize(number + 1);
  routes_[number] = {handler, changes};
}

bool Console::is_own(std::string_view path) {
  return path.starts_with(kMount) && (path.size() == kMount.size() || path[kMount.size()] == '/' || path.substr(kMount.size()) == kJsonSuffix);
}

http::Response Console::handle(http::Request& request, std::string_view path) {
  Visit visit{request, Links(path), prefers_json(request), {}};
  if (path.ends_with(kJsonSuffix)) {
    path.remove_suffix(kJsonSuffix.size());
    visit.wants_json = true;
  }
  const auto match = router_.match(request.method, path);
  if (!match) return not_found(visit);
  const Route& route = routes_[match->route];
  FormGuard::Ticket ticket;
  if (route.changes) {
    const auto form = request.read_body(kLargestForm);
    if (!form) return failure_answer(visit, form.error());
    if (const auto objection = guard_.objection(request, token_in(*form))) {
      if (const auto held_back = refusals_.admit()) {
        log::warn({.request_id = request.request_id}, "console: refused {} of {}: {}{}", request.path, http::describe(request.peer), *objection,
                  log::held_back_note(*held_back));
      }
      return failure_answer(visit, 403, *objection);
    }
  } else {
    ticket = guard_.ticket(request);
    visit.token = ticket.token;
  }
  http::Response response = (this->*route.method)(visit, match->params);
  if (!ticket.set_cookie.empty() && !visit.wants_json) response.headers.set("Set-Cookie", ticket.set_cookie);
  return response;
}

http::Response Console::list(const Visit& visit, const Params&) {
  const auto query = read_list_query(visit.request);
  return query ? list_page(visit, world_.store(), *query) : failure_answer(visit, query.error());
}

http::Response Console::sub_plans(const Visit& visit, const Params& params) {
  const auto action = number_of(params.get("action"));
  if (!action) return not_found(visit);
  auto query = read_list_query(visit.request);
  if (!query) return failure_answer(visit, query.error());
  if (visit.request.query.empty()) query->filter.states.reset();
  query->filter.caller_plan_id = std::string(params.get("id"));
  query->filter.caller_action_id = *action;
  return list_page(visit, world_.store(), *query);
}

http::Response Console::worlds(const Visit& visit, const Params&) { return worlds_page(visit, world_); }
http::Response Console::to_worlds(const Visit& visit, const Params&) { return redirect_answer(visit.links.worlds()); }

http::Response Console::plan(const Visit& visit, const Params& params) {
  const std::string id(params.get("id"));
  const auto outcome = parse_outcome(visit.asked("notice"));
  http::Response response = plan_page(visit, world_, id, outcome ? std::string(text_of(*outcome)) : std::string());
  if (response.status == 200) refresher_.looked_at(id);
  return response;
}

http::Response Console::action(const Visit& visit, const Params& params) {
  const auto action = number_of(params.get("action"));
  return action ? action_page(visit, world_, std::string(params.get("id")), *action) : not_found(visit);
}

http::Response Console::resume(const Visit& visit, const Params& params) {
  const std::string id(params.get("id"));
  return answer_of(visit, id, "resume", console::resume(world_, id));
}

http::Response Console::cancel(const Visit& visit, const Params& params) {
  const std::string id(params.get("id"));
  const bool force = !visit.asked("force").empty();
  return answer_of(visit, id, force ? "cancel with force" : "cancel", console::cancel(world_, id, force));
}

http::Response Console::halt(const Visit& visit, const Params& params) {
  const std::string id(params.get("id"));
  return answer_of(visit, id, "halt", console::halt(world_, id));
}

http::Response Console::skip(const Visit& visit, const Params& params) {
  const std::string id(params.get("id"));
  const auto step = number_of(params.get("step"));
  return step ? answer_of(visit, id, fmt::format("skip step {}", *step), console::skip(world_, id, *step)) : not_found(visit);
}

http::Response Console::cancel_step(const Visit& visit, const Params& params) {
  const std::string id(params.get("id"));
  const auto step = number_of(params.get("step"));
  return step ? answer_of(visit, id, fmt::format("cancel step {}", *step), console::cancel_step(world_, id, *step)) : not_found(visit);
}

}  // namespace dynflow::api::console
