#include "shared/api/console/plan_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "shared/api/console/action_view.h"
#include "shared/api/console/flow_view.h"
#include "shared/api/console/page.h"
#include "shared/api/console/plan_document.h"
#include "shared/api/console/plan_view.h"
#include "shared/api/console/words.h"
#include "shared/engine/presentation.h"
#include "shared/engine/states.h"
#include "shared/json/json.h"

namespace dynflow::api::console {
namespace {

using engine::Flow;
using persistence::PlanState;
using persistence::StepPhase;
using persistence::StepRecord;

constexpr std::size_t kStepsOnPage = 100;
constexpr std::size_t kFewActions = 3;         // that are shown unfolded
constexpr std::size_t kMostUnfolded = 10;      // failed steps
constexpr std::size_t kMostText = 16 * 1024;   // of an input or output
constexpr std::size_t kMostOutput = 64 * 1024;  // of what a job wrote

int number_in(const std::string& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number > 0 ? number : 0;
}

class PlanPage {
 public:
  PlanPage(const Visit& visit, engine::World& world, const PlanView& view)
      : visit_(visit), world_(world), view_(view), chosen_(number_in(visit.asked("step"))), from_(static_cast<std::size_t>(number_in(visit.asked("from")))) {}

  Page make(const std::string& notice) {
    const persistence::PlanRecord& plan = view_.plan;
    Page page;
    page.title = plan.label.empty() ? plan.id : plan.label;
    page.notice = notice;
    const bool is_live = is_in_work() && visit_.asked("live") != "0";
    if (is_live) page.refresh_link = own_link(chosen_, from_);
    page.body.add("<h1>{}</h1>\n{}{}", page.title, facts(is_live), buttons());
    if (!view_.damage.empty()) {
      page.body.add("<p class=\"notice\">This plan is damaged: {}</p>", view_.damage);
    } else {
      page.body.add(flow("Run", plan.run_flow));
      page.body.add(flow("Finalize", plan.finalize_flow));
      page.body.add(planned_actions());
    }
    page.body.add(history());
    return page;
  }

 private:
  bool is_in_work() const { return view_.plan.state != PlanState::kStopped && view_.plan.state != PlanState::kPaused; }

  std::string own_link(int step, std::size_t from, bool is_live = true) const {
    std::string query;
    const auto add = [&](std::string_view text) { query += fmt::format("{}{}", query.empty() ? '?' : '&', text); };
    if (step > 0) add(fmt::format("step={}", step));
    if (from > 0) add(fmt::format("from={}", from));
    if (!is_live) add("live=0");
    return visit_.links.plan(view_.plan.id, query);
  }

  Html facts(bool is_live) const {
    const persistence::PlanRecord& plan = view_.plan;
    Html html("<table class=\"facts\"><tr><th>Id</th><td class=\"mono\">{}</td></tr>\n<tr><th>State</th><td>{} {}", plan.id,
              badge(to_string(plan.state)), badge(to_string(plan.result)));
    if (is_in_work()) {
      html.add(" <progress max=\"100\" value=\"{}\"></progress> <a class=\"dim\" href=\"{}\">{}</a>",
               static_cast<int>(100 * engine::progress_of(plan)), own_link(chosen_, from_, !is_live), is_live ? "stop refreshing" : "refresh every 5 s");
    }
    html.add("</td></tr>\n<tr><th>Started at</th><td>{}</td></tr>\n<tr><th>Ended at</th><td>{}</td></tr>\n"
             "<tr><th>Time</th><td>{} <span class=\"dim\">at work {}</span></td></tr>\n",
             shown_time(plan.started_at), shown_time(plan.ended_at), shown_seconds(so_far()), shown_seconds(plan.execution_time));
    html.add(waiting());
    if (!plan.owner.empty()) html.add("<tr><th>World</th><td class=\"mono\">{}</td></tr>\n", plan.owner);
    html.add(relatives());
    html.add("</table>\n");
    return html;
  }

  double so_far() const {
    const bool is_under_way = is_in_work() && view_.plan.started_at;
    return is_under_way ? to_unix_seconds(world_.clock().now()) - to_unix_seconds(*view_.plan.started_at) : view_.plan.real_time;
  }

  // What a delayed plan waits for, and who waits for this one.
  Html waiting() const {
    Html html;
    if (const auto delayed = world_.store().load_delayed(view_.plan.id); delayed.ok()) {
      html.add("<tr><th>Start at</th><td>{}</td></tr>\n<tr><th>Start before</th><td>{}</td></tr>\n", shown_time(delayed->start_at),
               shown_time(delayed->start_before));
      if (delayed->is_frozen) html.add("<tr><th>Held back</th><td>until somebody lets it go</td></tr>\n");
    }
    if (const auto plans = world_.store().load_prerequisites(view_.plan.id); plans.ok() && !plans->empty()) {
      html.add("<tr><th>Depends on</th><td>");
      for (const auto& plan : *plans) html.add("<a class=\"mono\" href=\"{}\">{}</a> {}<br>", visit_.links.plan(plan.plan_id), plan.plan_id, badge(to_string(plan.state)));
      html.add("</td></tr>\n");
    }
    if (const auto plans = world_.store().load_dependents(view_.plan.id); plans.ok() && !plans->empty()) {
      html.add("<tr><th>Blocks</th><td>");
      for (const std::string& id : *plans) html.add("<a class=\"mono\" href=\"{}\">{}</a><br>", visit_.links.plan(id), id);
      html.add("</td></tr>\n");
    }
    return html;
  }

  Html relatives() const {
    Html html;
    const persistence::ActionRecord* root = view_.action(1);
    if (root != nullptr && !root->caller_plan_id.empty()) {
      html.add("<tr><th>Launched by</th><td><a class=\"mono\" href=\"{}\">{}</a></td></tr>\n", visit_.links.plan(root->caller_plan_id), root->caller_plan_id);
    }
    persistence::PlanFilter filter;
    filter.caller_plan_id = view_.plan.id;
    if (const auto count = world_.store().count_plans(filter); count.ok() && *count > 0) {
      html.add("<tr><th>Sub-plans</th><td><a href=\"{}\">{}</a></td></tr>\n", visit_.links.list("?caller=" + url_encoded(view_.plan.id)), *count);
    }
    return html;
  }

  Html buttons() const {
    const std::string& id = view_.plan.id;
    Html html("<p>");
    if (view_.plan.state == PlanState::kPaused) html.add(button(visit_, id, "resume", "Resume"));
    if (may_cancel(view_)) html.add("{}{}", button(visit_, id, "cancel", "Cancel"), button(visit_, id, "cancel?force=1", "Cancel with force", true));
    if (view_.plan.state != PlanState::kStopped) {
      html.add("<details class=\"danger\"><summary>Halt</summary>The plan stops where it is, whatever its steps do; it cannot be continued. {}</details>",
               button(visit_, id, "halt", "Halt the plan", true));
    }
    html.add(" <a class=\"dim\" href=\"{}\">JSON</a></p>\n", visit_.links.plan(id) + ".json");
    return html;
  }

  Html flow(std::string_view name, const std::string& text) {
    const auto parsed = Flow::parse(text);
    if (!parsed.ok()) return Html("<h2>{}</h2><p class=\"notice\">{}</p>", name, parsed.error().message());
    if (parsed->is_empty()) return {};
    const std::size_t count = parsed->step_ids().size();
    Html html("<h2>{}</h2>\n", name);
    html.add(html_of(*parsed, {from_, kStepsOnPage}, [this](int id) { return step(id); }));
    if (count > kStepsOnPage) {
      html.add("<div class=\"pages\"><span class=\"dim\">{} steps</span>", count);
      if (from_ > 0) html.add("<a href=\"{}\">Previous steps</a>", own_link(0, from_ > kStepsOnPage ? from_ - kStepsOnPage : 0));
      if (from_ + kStepsOnPage < count) html.add("<a href=\"{}\">Next steps</a>", own_link(0, from_ + kStepsOnPage));
      html.add("</div>\n");
    }
    return html;
  }

  bool is_unfolded(const StepRecord& step) {
    if (step.id == chosen_) return true;
    if (chosen_ > 0) return false;
    if (step.error) return unfolded_++ < kMostUnfolded;
    // What a finalize step works on is what its run step shows.
    const persistence::ActionRecord* action = view_.action_of(step);
    const bool is_shown_before = step.phase == StepPhase::kFinalize && action != nullptr && action->run_step_id > 0;
    return view_.plan.actions.size() <= kFewActions && !is_shown_before;
  }

  Html step(int id) {
    const StepRecord* step = view_.step(id);
    if (step == nullptr) return Html("<div class=\"step error\">{}: this step is missing</div>\n", id);
    const bool is_open = is_unfolded(*step);
    Html html("<div class=\"step\" id=\"step-{}\"><progress max=\"100\" value=\"{}\"></progress><a href=\"{}#step-{}\">{}: {}</a> {} ", id,
              static_cast<int>(100 * engine::progress_of(*step)), own_link(is_open && chosen_ > 0 ? 0 : id, from_), id, id, step->action_class,
              Html("<span class=\"badge {}\">{}</span>", to_string(step->state), engine::humanized_state(world_, view_.plan, *step)));
    html.add("<span class=\"dim\">{} / {}</span> ", shown_seconds(step->real_time), shown_seconds(step->execution_time));
    if (may_skip(view_, *step)) html.add(button(visit_, view_.plan.id, fmt::format("skip/{}", id), "Skip"));
    if (may_cancel(world_, *step)) html.add(button(visit_, view_.plan.id, fmt::format("cancel/{}", id), "Cancel"));
    if (step->error) html.add(is_open ? html_of(*step->error) : Html("<div class=\"error\">{}: {}</div>", step->error->exception_class, step->error->message));
    if (is_open) html.add(unfolded(*step));
    html.add("</div>\n");
    return html;
  }

  Html unfolded(const StepRecord& step) const {
    Html html("<div class=\"dim\">Queue {}, started at {}, ended at {}", step.queue.empty() ? std::string("default") : step.queue,
              shown_time(step.started_at), shown_time(step.ended_at));
    const persistence::ActionRecord* action = view_.action_of(step);
    if (action == nullptr) return html.add("</div>\n");
    html.add(", <a href=\"{}\">whole action</a></div>\n", visit_.links.action(view_.plan.id, action->id));
    const auto shown = view_action(world_, view_.plan, *action, kMostOutput);
    return html.add(shown.ok() ? html_of(*shown, kMostText) : Html("<p class=\"notice\">{}</p>", shown.error().message()));
  }

  // The tree of actions as it was planned.
  Html planned_actions() {
    std::size_t left = kStepsOnPage;
    const Html tree = planned(view_.plan.root_plan_step_id, 0, left);
    const bool has_failed = std::any_of(view_.plan.steps.begin(), view_.plan.steps.end(),
                                        [](const StepRecord& step) { return step.phase == StepPhase::kPlan && step.error; });
    return Html("<details{}><summary>Planned actions</summary>{}{}</details>\n", has_failed ? Html(" open") : Html(), tree,
                left == 0 ? Html("<p class=\"dim\">... and more</p>") : Html());
  }

  Html planned(int step_id, std::size_t depth, std::size_t& left) const {
    const StepRecord* step = view_.step(step_id);
    if (step == nullptr || left == 0 || depth > kStepsOnPage) return {};
    --left;
    Html html("<ul class=\"tree\"><li><a href=\"{}\">{}: {}</a> {} <span class=\"dim\">{}</span>", visit_.links.action(view_.plan.id, step->action_id),
              step->id, step->action_class, badge(to_string(step->state)), shown_seconds(step->real_time));
    if (step->error) html.add(html_of(*step->error));
    for (const int child : step->children) html.add(planned(child, depth + 1, left));
    html.add("</li></ul>");
    return html;
  }

  Html history() const {
    Html html("<h2>History</h2>\n");
    if (view_.plan.history.empty()) return html.add("<p class=\"dim\">Nothing yet.</p>\n");
    html.add("<div class=\"scroll\"><table><thead><tr><th>Time</th><th>Event</th><th>World</th></tr></thead><tbody>\n");
    for (const persistence::HistoryEntry& entry : view_.plan.history) {
      html.add("<tr><td class=\"nowrap\">{}</td><td>{}</td><td class=\"mono\">{}</td></tr>\n",
               shown_time(Time(std::chrono::seconds(entry.time))), entry.name, entry.world_id);
    }
    html.add("</tbody></table></div>\n");
    return html;
  }

  const Visit& visit_;
  engine::World& world_;
  const PlanView& view_;
  const int chosen_;          // the step whose details are asked for; 0 = none
  const std::size_t from_;
  std::size_t unfolded_ = 0;  // failed steps so far
};

}  // namespace

http::Response plan_page(const Visit& visit, engine::World& world, const std::string& plan_id, const std::string& notice) {
  const auto view = view_plan(world, plan_id);
  if (!view.ok() && view.error().code() == Code::kNotFound) return failure_answer(visit, 404, "There is no plan of this id; stopped ones are removed after a while");
  if (!view.ok()) return failure_answer(visit, view.error());
  if (visit.wants_json) return document_answer(plan_document(world, *view));
  return page_answer(visit, PlanPage(visit, world, *view).make(notice));
}

}  // namespace dynflow::api::console
