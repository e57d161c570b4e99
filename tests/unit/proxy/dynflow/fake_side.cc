#include "tests/unit/proxy/dynflow/fake_side.h"

#include <algorithm>

#include "shared/json/json.h"

namespace dynflow::proxy::test {
namespace {

http::Response json_text(const Json& document, int status = 200) {
  return http::text_response(status, json::dump(document), "application/json");
}

class BrokenOff final : public http::BodyStream {
 public:
  Result<std::size_t> read(std::span<char>) override { return Error(Code::kBadPeer, "the body of the answer was cut short"); }
  std::optional<std::uint64_t> length() const override { return std::nullopt; }
};

}  // namespace

void FakeSide::set(const std::string& id, const std::string& state) {
  const std::lock_guard lock(mutex_);
  tasks_[id] = state;
}

std::vector<std::string> FakeSide::launched() const {
  const std::lock_guard lock(mutex_);
  return launched_;
}

std::vector<std::string> FakeSide::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

http::Response FakeSide::answer(http::Request& request, std::string_view path, std::string_view mount) {
  if (is_away) return http::error_response(503, name + " is away");
  if (talks_nonsense) return http::text_response(200, "<html>");
  if (path == "/tasks/count" && before_count) {
    const auto states = request.query_values("state");
    before_count(states.empty() ? "all" : states.back());
  }
  const auto text = request.read_body(1 << 20);
  const auto body = text && !text->empty() ? json::parse(*text) : Result<Json>(Json::object());
  if (!body) return http::error_response(400, "no JSON");
  const std::lock_guard lock(mutex_);
  const auto counted = [&](std::string_view state) {
    return std::count_if(tasks_.begin(), tasks_.end(), [&](const auto& task) { return state == "all" || task.second == state; });
  };
  if (path == "/tasks/launch") {
    Json answer = Json::object();
    for (const auto& [asked_id, entry] : json::find(*body, "input")->items()) {
      const std::string id = makes_ids ? "uuid-" + asked_id : asked_id;
      const bool is_known = !tasks_.emplace(id, "running").second;
      if (is_known && is_ruby) return http::error_response(500, "launched twice");
      if (!is_known) launched_.push_back(id);
      answer[asked_id] = Json{{"result", "success"}, {"task_id", id}};
    }
    answer["parent"] = Json{{"result", "success"}, {"task_id", name + "-parent"}};
    http::Response response = json_text(answer);
    if (streams) response.stream = http::body_of(std::move(response.body));
    if (breaks_off) response.stream = std::make_unique<BrokenOff>();
    return response;
  }
  if (path == "/tasks/status" || path == "/tasks/statuses") {
    if (is_ruby && path == "/tasks/statuses") return http::text_response(404, "<h1>Not Found</h1>", "text/html");
    Json answer = Json::object();
    for (const Json& id : *json::find(*body, "task_ids")) {
      const auto found = id.is_string() ? tasks_.find(id.get<std::string>()) : tasks_.end();
      if (found == tasks_.end()) continue;
      Json deep = Json::array();
      for (int i = 1; i < depth; ++i) deep = Json::array({std::move(deep)});
      answer[found->first] = Json{{"state", found->second}, {"on", name}, {"deep", std::move(deep)}};
    }
    return json_text(answer);
  }
  if (path == "/tasks/count") {
    const auto asked = request.query_values("state");
    const std::string state = asked.empty() ? "all" : asked.back();
    return json_text({{"count", counted(state)}, {"state", state}});
  }
  if (path == "/tasks/unfinished" && !is_ruby) {
    Json ids = Json::array();
    for (const auto& [id, state] : tasks_) {
      if (state != "stopped" && state != "paused") ids.push_back(id);
    }
    return json_text({{"count", ids.size()}, {"callbacks", callbacks.load()}, {"task_ids", ids}});
  }
  if (path.substr(0, 8) == "/console") {
    asked_.push_back(request.method + " " + std::string(mount) + " " + std::string(path));
    return json_text({{"console", name}});
  }
  const auto slash = path.find('/', 7);
  if (path.substr(0, 7) == "/tasks/" && slash != std::string_view::npos) {
    asked_.push_back(request.method + " " + std::string(path));
    const auto found = tasks_.find(std::string(path.substr(7, slash - 7)));
    if (found == tasks_.end()) return json_text(Json::object(), 404);
    return json_text({{"id", found->first}, {"state", found->second}, {"on", name}});
  }
  return http::text_response(404, "Requested url was not found");
}

}  // namespace dynflow::proxy::test
