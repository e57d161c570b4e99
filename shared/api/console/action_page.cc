#include "shared/api/console/action_page.h"

#include <fmt/format.h>

#include "shared/api/console/action_view.h"
#include "shared/api/console/page.h"
#include "shared/api/console/plan_view.h"
#include "shared/api/console/words.h"

namespace dynflow::api::console {
namespace {

constexpr std::size_t kMost = 4 * 1024 * 1024;  // bytes of an input, an output, or what a job wrote

Html step_row(const PlanView& view, std::string_view name, int step_id) {
  const persistence::StepRecord* step = view.step(step_id);
  if (step == nullptr) return {};
  Html html("<tr><th>{}</th><td>step {} {} <span class=\"dim\">{} / {}</span>", name, step->id, badge(to_string(step->state)),
            shown_seconds(step->real_time), shown_seconds(step->execution_time));
  if (step->error) html.add(html_of(*step->error));
  return html.add("</td></tr>\n");
}

}  // namespace

http::Response action_page(const Visit& visit, engine::World& world, const std::string& plan_id, int action_id) {
  const auto view = view_plan(world, plan_id);
  const persistence::ActionRecord* action = view.ok() ? view->action(action_id) : nullptr;
  if (view.ok() ? action == nullptr : view.error().code() == Code::kNotFound) {
    return failure_answer(visit, 404, "There is no such action, or its plan was removed");
  }
  if (!view.ok()) return failure_answer(visit, view.error());
  auto shown = view_action(world, view->plan, *action, kMost);
  if (!shown.ok()) return failure_answer(visit, shown.error());
  if (visit.wants_json) {
    Json document{{"id", action->id},
                  {"class", action->action_class},
                  {"execution_plan_id", plan_id},
                  {"plan_step_id", action->plan_step_id},
                  {"run_step_id", action->run_step_id},
                  {"finalize_step_id", action->finalize_step_id}};
    document.update(document_of(*std::move(shown)));
    return document_answer(document);
  }
  Page page;
  page.title = fmt::format("{}: {}", action->id, action->action_class);
  page.body.add("<h1>{}</h1>\n<table class=\"facts\"><tr><th>Plan</th><td><a class=\"mono\" href=\"{}\">{}</a></td></tr>\n{}{}{}", page.title,
                visit.links.plan(plan_id), plan_id, step_row(*view, "Plan", action->plan_step_id), step_row(*view, "Run", action->run_step_id),
                step_row(*view, "Finalize", action->finalize_step_id));
  persistence::PlanFilter filter;
  filter.caller_plan_id = plan_id;
  filter.caller_action_id = action_id;
  if (const auto count = world.store().count_plans(filter); count.ok() && *count > 0) {
    page.body.add("<tr><th>Sub-plans</th><td><a href=\"{}/sub_plans\">{}</a></td></tr>\n", visit.links.action(plan_id, action_id), *count);
  }
  page.body.add("</table>\n<p><a class=\"dim\" href=\"{}.json\">JSON</a></p>\n{}", visit.links.action(plan_id, action_id), html_of(*shown, kMost));
  return page_answer(visit, page);
}

}  // namespace dynflow::api::console
