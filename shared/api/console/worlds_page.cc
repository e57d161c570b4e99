#include "shared/api/console/worlds_page.h"

#include "shared/api/console/page.h"
#include "shared/api/console/readable.h"
#include "shared/api/console/words.h"
#include "shared/json/json.h"

namespace dynflow::api::console {
namespace {

constexpr std::size_t kMostMeta = 4096;

Json meta_of(const persistence::WorldRecord& world) {
  auto parsed = json::parse(world.meta);
  return parsed.ok() ? std::move(*parsed) : Json::object();
}

Json document_of(engine::World& world, const std::vector<persistence::WorldRecord>& worlds) {
  Json rows = Json::array();
  for (const persistence::WorldRecord& one : worlds) {
    rows.push_back({{"id", one.id}, {"meta", meta_of(one)}, {"last_seen", time_or_null(one.last_seen)}, {"is_alive", one.is_alive}});
  }
  Json queues = Json::array();
  for (const engine::QueueStatus& queue : world.queues()) {
    queues.push_back({{"name", queue.name}, {"pool_size", queue.pool_size}, {"free", queue.free}, {"waiting", queue.waiting}});
  }
  return Json{{"worlds", std::move(rows)},
              {"this_world", {{"id", world.id()}, {"active_plans", world.active_plans()}, {"resident_plans", world.resident_plans()}, {"unused_events", world.dead_letters()}, {"queues", std::move(queues)}}}};
}

}  // namespace

http::Response worlds_page(const Visit& visit, engine::World& world) {
  const auto worlds = world.store().load_worlds();
  if (!worlds.ok()) return failure_answer(visit, worlds.error());
  if (visit.wants_json) return document_answer(document_of(world, *worlds));
  Page page;
  page.title = "Worlds";
  Html& html = page.body;
  html.add("<h1>Worlds</h1>\n<div class=\"scroll\"><table><thead><tr><th>Id</th><th>What it says of itself</th><th>Last seen</th><th>State</th></tr></thead><tbody>\n");
  for (const persistence::WorldRecord& one : *worlds) {
    html.add("<tr><td class=\"mono\">{}{}</td><td class=\"mono\">{}</td><td class=\"nowrap\">{}</td><td>{}</td></tr>\n", one.id,
             one.id == world.id() ? Html("<br><span class=\"dim\">this one</span>") : Html(), readable(meta_of(one), kMostMeta),
             shown_time(one.last_seen),
             one.is_alive ? Html("<span class=\"badge success\">alive</span>") : Html("<span class=\"badge error\">lease over</span>"));
  }
  html.add("</tbody></table></div>\n<p class=\"dim\">A world whose lease is over is declared dead by the others, which take its plans over.</p>\n");
  html.add("<h2>This world</h2>\n<table class=\"facts\"><tr><th>Plans taken on</th><td>{}</td></tr>\n<tr><th>In memory</th><td>{}</td></tr>\n"
           "<tr><th>Events nobody took</th><td>{}</td></tr></table>\n",
           world.active_plans(), world.resident_plans(), world.dead_letters());
  html.add("<h2>Queues</h2>\n<table><thead><tr><th>Name</th><th>At once</th><th>Free</th><th>Waiting</th></tr></thead><tbody>\n");
  for (const engine::QueueStatus& queue : world.queues()) {
    const bool is_limited = queue.pool_size > 0;
    html.add("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n", queue.name, is_limited ? std::to_string(queue.pool_size) : std::string("as many as threads"),
             is_limited ? std::to_string(queue.free) : std::string("-"), is_limited ? std::to_string(queue.waiting) : std::string("-"));
  }
  html.add("</tbody></table>\n");
  return page_answer(visit, page);
}

}  // namespace dynflow::api::console
