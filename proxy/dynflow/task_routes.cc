#include "proxy/dynflow/task_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "proxy/dynflow/side_questions.h"
#include "proxy/dynflow/task_token.h"
#include "proxy/host/host.h"
#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::proxy {
namespace {

// As the core's own.
constexpr std::size_t kLargestLaunch = 64 * 1024 * 1024;
constexpr std::size_t kLargestList = 4 * 1024 * 1024;
constexpr std::string_view kLegacyMount = "/dynflow/legacy";
constexpr std::string_view kLegacy = "/legacy";
constexpr std::string_view kParent = "parent";
constexpr std::size_t kMostCounts = 32;
constexpr std::string_view kDrained = "This proxy is being drained: it takes no new tasks";
// A drain lasts as long as jobs do.
constexpr std::chrono::seconds kDrainRetry{30};

http::Response json_text(std::string text) { return http::text_response(200, std::move(text), "application/json"); }

// Sends a request whose body was read already.
http::Response answer_with(Backend& side, http::Request& request, std::string_view path, std::string body) {
  request.body = http::body_of(std::move(body));
  return side.answer(request, path);
}

// A document as the core would read it; the text of `task_ids` that are texts, each once.
std::vector<std::string> task_ids(const Json& document) {
  std::vector<std::string> ids;
  const Json* list = json::find(document, "task_ids");
  if (list == nullptr || !list->is_array()) return ids;
  std::set<std::string_view> seen;
  for (const Json& id : *list) {
    if (id.is_string() && seen.insert(id.get_ref<const std::string&>()).second) ids.push_back(id.get<std::string>());
  }
  return ids;
}

// "{...}" and "{...}" as one object, without a second writing of what may be megabytes.
std::string joined(std::string first, std::string_view second) {
  const auto inside = [](std::string_view text) {
    const auto from = text.find('{') + 1;
    return text.substr(from, text.rfind('}') - from);
  };
  const bool has_first = inside(first).find_first_not_of(" \t\r\n") != std::string_view::npos;
  const bool has_second = inside(second).find_first_not_of(" \t\r\n") != std::string_view::npos;
  if (!has_second) return first;
  first.resize(first.rfind('}'));
  if (has_first) first += ',';
  first += inside(second);
  return first + '}';
}

bool is_empty_object(const Json& value) { return value.is_null() || (value.is_object() && value.empty()); }

std::string cannot_be_asked(Side side, std::string_view why) {
  return fmt::format("During the hand-over the side \"{}\" has to be asked and cannot be: {}", to_string(side), why);
}

// A path that every server reads as the same one.
bool is_plain(std::string_view path) {
  return path.find('%') == std::string_view::npos && path.find("//") == std::string_view::npos && path.find("/.") == std::string_view::npos;
}

// What a launch of many looks like: an entry by id. Everything else ("single") names no ids.
bool names_ids(const Json& input) {
  return input.is_object() && !input.empty() &&
         std::all_of(input.begin(), input.end(), [](const Json& entry) { return entry.is_object(); });
}

Json subset(const Json& document, const std::vector<std::string>& ids) {
  Json part = document;
  Json input = Json::object();
  for (const std::string& id : ids) input[id] = *json::find(*json::find(document, "input"), id);
  part["input"] = std::move(input);
  return part;
}

}  // namespace

TaskRoutes::TaskRoutes(ModeControl& control, std::shared_ptr<const Authorization> authorization, bool console_is_open)
    : control_(control), authorization_(std::move(authorization)), console_is_open_(console_is_open) {
  constexpr bool kSlashIsOptional = true;
  add(Kind::kLaunch, "POST", "/tasks/launch", kSlashIsOptional);
  add(Kind::kLaunch, "POST", "/tasks", kSlashIsOptional);
  add(Kind::kBulkStates, "POST", "/tasks/status");
  add(Kind::kBulkDocuments, "POST", "/tasks/statuses");
  add(Kind::kCount, "GET", "/tasks/count");
  for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
    add(Kind::kTask, method, "/tasks/:id/*rest");
    for (const char* console : {"/console", "/console/*rest", "/legacy/console", "/legacy/console/*rest"}) add(Kind::kConsole, method, console);
  }
}

void TaskRoutes::add(Kind kind, std::string_view method, std::string_view pattern, bool slash_is_optional) {
  const std::size_t number = router_.add(std::string(method), pattern, slash_is_optional);
  if (kinds_.size() <= number) kinds_.resize(number + 1, Kind::kRest);
  kinds_[number] = kind;
}

http::Response TaskRoutes::handle(http::Request& request, std::string_view path) {
  const auto match = router_.match(request.method, path);
  const Kind kind = match ? kinds_[match->route] : Kind::kRest;
  if (kind == Kind::kLaunch) return launch(request, path);
  // Foreman takes no proxy for new jobs that does not count its tasks, and goes on asking it about those that it has
  // (foreman-tasks app/lib/proxy_selector.rb:44-54): this one answer is how a proxy leaves the choice.
  if (kind == Kind::kCount && control_.is_drained()) {
    if (auto refused = authorization_->refusal(request, path)) return std::move(*refused);
    return refuse_for_now(kDrained, kDrainRetry);
  }
  const View view = control_.view();
  const bool has_two = view.own && view.other;
  if (kind == Kind::kConsole) {
    if (!console_is_open_ || !is_plain(path)) {
      if (auto refused = authorization_->refusal(request, path)) return std::move(*refused);
    }
    return console(request, path, view);
  }
  const bool is_for_target = !has_two || kind == Kind::kRest || (kind == Kind::kCount && !view.needs_both()) ||
                             (request.method == "HEAD" && kind == Kind::kCount);
  if (is_for_target) return view.side(view.target())->handle(request, path);
  if (auto refused = refusal_at_the_front(*authorization_, request, path, request.target.substr(kMount.size()))) {
    return std::move(*refused);
  }
  switch (kind) {
    case Kind::kBulkStates:
    case Kind::kBulkDocuments: return bulk(request, path, view, kind);
    case Kind::kCount: return count(request, path, view);
    default: return task(request, path, view, std::string(match->params.get("id")));
  }
}

// ---- one task

Result<Side> TaskRoutes::owner_of(const std::string& id, const View& view, Deadline deadline) const {
  if (const auto owner = control_.owners().find(id); owner && view.side(owner->side)) return owner->side;
  auto known = known_tasks(*view.own, {id}, deadline);
  if (!known) return known.error();
  if (!known->empty()) {
    control_.owners().remember(id, Side::kOwn);
    return Side::kOwn;
  }
  // What is not ours is the core service's, or nobody's: it says so itself.
  if (view.target() == Side::kOther) return Side::kOther;
  known = known_tasks(*view.other, {id}, deadline);
  if (!known) return view.needs_both() ? Result<Side>(known.error()) : Result<Side>(Side::kOwn);
  if (known->empty()) return Side::kOwn;
  control_.owners().remember(id, Side::kOther);
  return Side::kOther;
}

http::Response TaskRoutes::task(http::Request& request, std::string_view path, const View& view, const std::string& id) {
  const auto owner = owner_of(id, view, request.deadline);
  if (!owner) return refuse_for_now(cannot_be_asked(opposite(view.target()), owner.error().message()));
  return view.side(*owner)->answer(request, path);
}

http::Response TaskRoutes::console(http::Request& request, std::string_view path, const View& view) {
  // Only the plain spelling of the way to the other side is the way there.
  if (path.substr(0, kLegacy.size()) != kLegacy) return view.side(view.target())->answer(request, path);
  const std::shared_ptr<Backend>& old = view.side(opposite(view.target()));
  if (!old) return not_found_page();
  return old->answer(request, path.substr(kLegacy.size()), kLegacyMount);
}

// ---- many tasks

http::Response TaskRoutes::bulk(http::Request& request, std::string_view path, const View& view, Kind kind) {
  auto text = request.read_body(kLargestList);
  if (!text) return http::error_response(text.error());
  // Our core first: it answers at once, and says what is wrong with the request.
  http::Response own = answer_with(*view.own, request, path, *text);
  auto body = take_body(own);
  if (!body) return http::error_response(body.error());
  own.body = *body;
  if (own.status != 200) return own;
  const auto asked = json::parse(*text);
  const auto found = parse_answer(*body);
  // Without a look into it nobody knows what the other side has to be asked for.
  if (!asked || !found) return refuse_for_now(cannot_be_asked(Side::kOwn, (asked ? found : asked).error().message()));
  std::vector<std::string> rest;
  for (std::string& id : task_ids(*asked)) {
    if (found->contains(id)) {
      control_.owners().remember(id, Side::kOwn);
    } else {
      rest.push_back(std::move(id));
    }
  }
  if (rest.empty()) return own;
  auto others = rest_of_bulk(request, path, view, kind, rest);
  if (!others) {
    // Never a partial map while the other side has tasks that run: Foreman would fail those it misses.
    const bool is_needed = view.needs_both() || view.target() == Side::kOther;
    if (is_needed) return refuse_for_now(cannot_be_asked(Side::kOther, others.error().message()));
    return own;
  }
  own.body = joined(std::move(*body), *others);
  return own;
}

// The text of an object with what the core service knows of `ids`.
Result<std::string> TaskRoutes::rest_of_bulk(http::Request& request, std::string_view path, const View& view, Kind kind,
                                             const std::vector<std::string>& ids) const {
  http::Response answer = answer_with(*view.other, request, path, json::dump(Json{{"task_ids", ids}}));
  auto text = take_body(answer);
  if (!text) return text.error();
  if (answer.status == 404 && kind == Kind::kBulkDocuments) {
    // Cores before 0.9 have no such route: one after the other, then.
    Json all = Json::object();
    const auto known = known_tasks(*view.other, ids, request.deadline);
    if (!known) return known.error();
    for (const auto& [id, state] : *known) {
      auto one = question("GET", fmt::format("/tasks/{}/status", id), "", request.deadline);
      http::Response status = view.other->answer(one, fmt::format("/tasks/{}/status", id));
      auto document_text = take_body(status);
      if (!document_text) return document_text.error();
      if (status.status == 404) continue;
      auto document = parse_answer(*document_text);
      if (status.status != 200 || !document) return Error(Code::kUnavailable, fmt::format("it answered {} for task {}", status.status, id));
      control_.owners().remember(id, Side::kOther);
      all[id] = *std::move(document);
    }
    return json::dump(all);
  }
  const auto document = parse_answer(*text);
  if (answer.status != 200) {
    return Error(Code::kUnavailable, document ? json::get_string(*document, "error", "it refused") : fmt::format("it answered {}", answer.status));
  }
  if (!document || !document->is_object()) return Error(Code::kUnavailable, "its answer is no JSON object");
  for (const auto& [id, row] : document->items()) {
    if (!is_empty_object(row)) control_.owners().remember(id, Side::kOther);
  }
  return text;
}

http::Response TaskRoutes::count(http::Request& request, std::string_view path, const View& view) {
  std::int64_t sum = 0;
  std::string state;
  for (const Side side : {Side::kOwn, Side::kOther}) {
    http::Response answer = answer_with(*view.side(side), request, path, "");
    auto text = take_body(answer);
    const auto document = text ? json::parse(*text) : Result<Json>(text.error());
    const Json* number = document ? json::find(*document, "count") : nullptr;
    const bool is_counted = answer.status == 200 && number != nullptr && number->is_number_integer();
    if (is_counted && side == Side::kOwn) state = json::get_string(*document, "state");
    std::int64_t counted = is_counted ? number->get<std::int64_t>() : 0;
    if (side == Side::kOther) {
      // Foreman chooses among proxies by this number and takes none that does not tell it: while the core service is away
      // its last number counts.
      const std::lock_guard lock(mutex_);
      if (is_counted && (other_counts_.contains(state) || other_counts_.size() < kMostCounts)) other_counts_[state] = counted;
      if (const auto last = other_counts_.find(state); !is_counted && last != other_counts_.end()) counted = last->second;
    } else if (!is_counted) {
      return refuse_for_now(cannot_be_asked(side, "it does not count its tasks"));
    }
    sum += counted;
  }
  return json_text(json::dump(Json{{"count", sum}, {"state", state}}));
}

// ---- launches

http::Response TaskRoutes::launch(http::Request& request, std::string_view path) {
  const auto begun = control_.begin_launch(request.deadline);
  if (!begun) return refuse_for_now(begun.error().message());
  const View& view = begun->view();
  if (begun->is_drained()) {
    if (auto refused = authorization_->refusal(request, path)) return std::move(*refused);
    return launch_while_drained(request, path, view);
  }
  if (view.own && view.other) {
    if (auto refused = authorization_->refusal(request, path)) return std::move(*refused);
    return launch_on_two(request, path, view);
  }
  http::Response answer = view.side(view.target())->handle(request, path);
  // Our own core knows its tasks itself.
  return view.target() == Side::kOther ? learnt(std::move(answer), Side::kOther) : std::move(answer);
}

// What was started before is told again: Foreman repeats a launch whose answer it did not get, and would take a refusal for the
// end of a job that runs. Everything else is refused.
http::Response TaskRoutes::launch_while_drained(http::Request& request, std::string_view path, const View& view) {
  auto text = request.read_body(kLargestLaunch);
  if (!text) return http::error_response(text.error());
  const auto document = json::parse(*text);
  const Json* input = document ? json::find(*document, "input") : nullptr;
  if (input == nullptr || !names_ids(*input)) return refuse_for_now(kDrained, kDrainRetry);
  std::vector<std::string> unknown;
  for (const auto& [id, entry] : input->items()) unknown.push_back(id);
  Json answers = Json::object();
  for (const Side side : {Side::kOwn, Side::kOther}) {
    const auto& backend = view.side(side);
    if (!backend || unknown.empty()) continue;
    const auto known = known_tasks(*backend, unknown, request.deadline);
    if (!known) return refuse_for_now(kDrained, kDrainRetry);
    Held held;
    for (const auto& [id, state] : *known) held.emplace_back(id, id);
    if (held.empty()) continue;
    std::optional<http::Response> refusal;
    const auto told = answers_for_held(request, path, *backend, *document, held, refusal);
    if (refusal) return std::move(*refusal);
    if (!told) return refuse_for_now(kDrained, kDrainRetry);
    answers.update(*told);
    std::erase_if(unknown, [&](const std::string& id) { return known->contains(id); });
  }
  if (!unknown.empty()) return refuse_for_now(kDrained, kDrainRetry);
  return json_text(json::dump(answers));
}

http::Response TaskRoutes::launch_on_two(http::Request& request, std::string_view path, const View& view) {
  auto text = request.read_body(kLargestLaunch);
  if (!text) return http::error_response(text.error());
  Backend& target = *view.side(view.target());
  const auto launch_all = [&](std::string body) {
    return learnt(answer_with(target, request, path, std::move(body)), view.target());
  };
  const auto document = json::parse(*text);
  const Json* input = document ? json::find(*document, "input") : nullptr;
  // Without ids there is nothing to find again; what is wrong with the request the target says.
  if (input == nullptr || !names_ids(*input)) return launch_all(*std::move(text));

  const auto parts = split(*input, view, request.deadline);
  if (!parts) return refuse_for_now(cannot_be_asked(opposite(view.target()), parts.error().message()));
  if (parts->held.empty()) return launch_all(*std::move(text));
  log::info({.request_id = request.request_id}, "{} of {} tasks of a launch are on the side \"{}\" already", parts->held.size(),
            input->size(), to_string(opposite(view.target())));

  std::optional<http::Response> refusal;
  auto held = answers_for_held(request, path, *view.side(opposite(view.target())), *document, parts->held, refusal);
  if (refusal) return std::move(*refusal);
  if (!held) return refuse_for_now(cannot_be_asked(opposite(view.target()), held.error().message()));
  if (parts->fresh.empty()) return json_text(json::dump(*held));
  http::Response answer = launch_all(json::dump(subset(*document, parts->fresh)));
  auto started = json::parse(answer.body);
  if (answer.status != 200 || !started || !started->is_object()) return answer;
  // "parent" stands for all of a launch being well.
  if (!held->contains(std::string(kParent))) started->erase(std::string(kParent));
  for (const auto& [id, row] : held->items()) {
    if (id != kParent) (*started)[id] = row;
  }
  return json_text(json::dump(*started));
}

Result<TaskRoutes::Split> TaskRoutes::split(const Json& input, const View& view, Deadline deadline) const {
  const Side old = opposite(view.target());
  Split parts;
  std::vector<std::string> unsure;
  for (const auto& [id, entry] : input.items()) {
    const auto owner = control_.owners().find(id);
    if (owner && owner->side == old) {
      parts.held.emplace_back(id, owner->task_id);
    } else if (owner) {
      parts.fresh.push_back(id);
    } else {
      unsure.push_back(id);
    }
  }
  const auto known = known_tasks(*view.side(old), unsure, deadline);
  // After a hand-over the old side may be gone: then it runs nothing, either.
  if (!known && (view.needs_both() || old == Side::kOwn)) return known.error();
  for (const std::string& id : unsure) {
    if (known && known->contains(id)) {
      control_.owners().remember(id, old);
      parts.held.emplace_back(id, id);
    } else {
      parts.fresh.push_back(id);
    }
  }
  return parts;
}

// What a side says about tasks that it has. `refusal`: it refuses, and that is the answer to the whole launch.
Result<Json> TaskRoutes::answers_for_held(http::Request& request, std::string_view path, Backend& side, const Json& document,
                                          const Held& held, std::optional<http::Response>& refusal) const {
  Json answers = Json::object();
  const auto left = unfinished_tasks(side, 0, request.deadline);
  if (left && left->lists_ids) {
    // A core of this program: the launch again gives the same answer again and starts nothing.
    std::vector<std::string> ids;
    for (const auto& [id, task_id] : held) ids.push_back(id);
    http::Response answer = answer_with(side, request, path, json::dump(subset(document, ids)));
    auto text = take_body(answer);
    if (!text) return text.error();
    answer.body = *text;
    auto parsed = json::parse(*text);
    if (answer.status != 200 || !parsed || !parsed->is_object()) {
      refusal = std::move(answer);
      return answers;
    }
    return parsed;
  }
  // Ruby's cores would start it again, or fail in the middle: they are not asked.
  for (const auto& [id, task_id] : held) answers[id] = Json{{"result", "success"}, {"task_id", task_id}};
  return answers;
}

http::Response TaskRoutes::learnt(http::Response answer, Side side) const {
  auto whole = take_body(answer);
  if (!whole) return http::error_response(whole.error());
  answer.body = *std::move(whole);
  if (answer.status != 200) return answer;
  const auto document = parse_answer(answer.body);
  if (!document || !document->is_object()) return answer;
  const auto take = [&](const std::string& id, const Json& row) {
    const std::string task_id = json::get_string(row, "task_id");
    if (task_id.empty()) return;
    if (!id.empty() && id != kParent) control_.owners().remember(id, side, task_id);
    if (task_id != id) control_.owners().remember(task_id, side);
  };
  take({}, *document);
  for (const auto& [id, row] : document->items()) take(id, row);
  return answer;
}

}  // namespace dynflow::proxy
