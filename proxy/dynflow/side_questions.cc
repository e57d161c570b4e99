#include "proxy/dynflow/side_questions.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "shared/base/ids.h"
#include "shared/json/json.h"

namespace dynflow::proxy {
namespace {

// Bulk answers with whole documents of a thousand tasks are tens of megabytes.
constexpr std::size_t kLargestAnswer = 512 * 1024 * 1024;
// A row for each id of the longest list that is taken.
constexpr std::size_t kMostKeys = 200'000;

bool is_over(std::string_view state) { return state == "stopped" || state == "paused"; }

// The document of a 200; anything else is an error that says what came. 404 is kNotFound.
Result<Json> ask(Backend& side, http::Request request, std::string_view path) {
  auto answer = side.answer(request, path);
  auto text = take_body(answer);
  if (!text) return Error(Code::kUnavailable, text.error().message());
  const auto document = parse_answer(*text);
  if (answer.status != 200) {
    const std::string why = document ? json::get_string(*document, "error") : "";
    return Error(answer.status == 404 ? Code::kNotFound : Code::kUnavailable,
                 why.empty() ? fmt::format("it answered {} to {}", answer.status, path) : why);
  }
  if (!document) return Error(Code::kUnavailable, fmt::format("its answer to {} is no JSON", path));
  return *document;
}

Error misfit(std::string_view path) {
  return Error(Code::kUnavailable, fmt::format("its answer to {} is not of the expected form", path));
}

// A number of tasks: whole, not negative, and small enough that sums of a few do not overflow.
std::optional<std::int64_t> count_in(const Json& document, std::string_view key) {
  constexpr std::int64_t kMost = 1'000'000'000'000;
  const Json* count = json::find(document, key);
  if (count == nullptr || !count->is_number_integer()) return std::nullopt;
  const std::int64_t number = json::get_int(document, key, -1);
  if (number < 0 || number > kMost) return std::nullopt;
  return number;
}

Result<Unfinished> listed(Backend& side, std::size_t limit, Deadline deadline) {
  constexpr std::string_view kPath = "/tasks/unfinished";
  auto request = question("GET", fmt::format("{}?limit={}", kPath, limit), "", deadline);
  auto document = ask(side, std::move(request), kPath);
  if (!document) return document.error();
  const auto tasks = count_in(*document, "count");
  const auto callbacks = json::find(*document, "callbacks") == nullptr ? 0 : count_in(*document, "callbacks");
  const Json* ids = json::find(*document, "task_ids");
  if (!tasks || !callbacks || ids == nullptr || !ids->is_array()) return misfit(kPath);
  Unfinished found;
  found.tasks = *tasks;
  found.callbacks = *callbacks;
  found.callback_error = json::get_string(*document, "callback_error");
  found.lists_ids = true;
  for (const Json& id : *ids) {
    if (id.is_string()) found.task_ids.push_back(id.get<std::string>());
  }
  return found;
}

}  // namespace

Result<Json> parse_answer(std::string_view text) {
  json::Limits limits;
  limits.bytes = kLargestAnswer;
  // Documents have around them what was launched, which may be as deep as the default.
  limits.depth *= 2;
  limits.keys = kMostKeys;
  return json::parse(text, limits);
}

http::Request question(std::string method, std::string_view path, std::string body, Deadline deadline) {
  http::Request request;
  request.method = std::move(method);
  request.target = std::string(kMount) + std::string(path);
  request.path = request.target.substr(0, request.target.find('?'));
  const auto mark = request.target.find('?');
  request.has_query = mark != std::string::npos;
  if (request.has_query) request.query = request.target.substr(mark + 1);
  request.headers.add("Accept", "application/json");
  request.headers.add("Content-Type", "application/json");
  request.request_id = system_ids().uuid();
  request.session_id = request.request_id;
  request.deadline = deadline;
  request.body = http::body_of(std::move(body));
  return request;
}

Result<std::string> take_body(http::Response& response) {
  if (!response.stream) return std::move(response.body);
  auto text = http::read_all(*response.stream, kLargestAnswer);
  response.stream.reset();
  return text;
}

http::Response refuse_for_now(std::string_view message, std::chrono::seconds retry_after) {
  http::Response response = http::error_response(503, message);
  response.headers.set("Retry-After", std::to_string(retry_after.count()));
  return response;
}

Result<std::map<std::string, std::string>> known_tasks(Backend& side, const std::vector<std::string>& ids, Deadline deadline) {
  constexpr std::string_view kPath = "/tasks/status";
  std::map<std::string, std::string> known;
  if (ids.empty()) return known;
  auto document = ask(side, question("POST", kPath, json::dump(Json{{"task_ids", ids}}), deadline), kPath);
  if (!document) return Error(Code::kUnavailable, document.error().message());
  if (!document->is_object()) return misfit(kPath);
  for (const auto& [id, row] : document->items()) {
    if (row.is_object()) known.emplace(id, json::get_string(row, "state"));
  }
  return known;
}

Result<std::int64_t> count_tasks(Backend& side, std::string_view state, Deadline deadline) {
  constexpr std::string_view kPath = "/tasks/count";
  const std::string query = state == "all" ? "" : fmt::format("?state={}", state);
  auto document = ask(side, question("GET", fmt::format("{}{}", kPath, query), "", deadline), kPath);
  if (!document) return Error(Code::kUnavailable, document.error().message());
  const auto count = count_in(*document, "count");
  if (!count) return misfit(kPath);
  return *count;
}

Result<Unfinished> unfinished_tasks(Backend& side, std::size_t limit, Deadline deadline) {
  auto found = listed(side, limit, deadline);
  if (found || found.error().code() != Code::kNotFound) return found;
  // A core that has no such route. Those of 0.3 load every plan that they count, a second for a few hundred, and keep plans for a day: so they
  // are asked for what is unfinished only. In the order in which plans go through these states (dynflow 1.4, lib/dynflow/execution_plan.rb:61):
  // one that moves on meanwhile is counted twice, never not at all.
  constexpr std::array<std::string_view, 5> kUnfinished{"pending", "scheduled", "planning", "planned", "running"};
  Unfinished counted;
  for (const std::string_view state : kUnfinished) {
    const auto count = count_tasks(side, state, deadline);
    if (!count) return count.error();
    counted.tasks += *count;
  }
  if (counted.tasks > 0) return counted;
  // There is one way back: a delayed plan whose planning was cut off is scheduled anew.
  const auto scheduled = count_tasks(side, "scheduled", deadline);
  if (!scheduled) return scheduled.error();
  counted.tasks = *scheduled;
  return counted;
}

Result<std::vector<std::string>> still_unfinished(Backend& side, const std::vector<std::string>& ids, Deadline deadline) {
  const auto known = known_tasks(side, ids, deadline);
  if (!known) return known.error();
  std::vector<std::string> left;
  for (const auto& [id, state] : *known) {
    if (!is_over(state)) left.push_back(id);
  }
  return left;
}

}  // namespace dynflow::proxy
