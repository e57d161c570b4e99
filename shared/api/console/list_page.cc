#include "shared/api/console/list_page.h"

#include <array>

#include "shared/api/console/page.h"
#include "shared/api/console/words.h"
#include "shared/json/json.h"
#include "shared/persistence/plan_pages.h"

namespace dynflow::api::console {
namespace {

using persistence::ListedPlan;
using persistence::PlanResult;
using persistence::PlanState;
using Column = persistence::PlanOrder::Column;

constexpr std::array kStates{PlanState::kPending, PlanState::kScheduled, PlanState::kPlanning, PlanState::kPlanned,
                             PlanState::kRunning, PlanState::kPaused,    PlanState::kStopped};
constexpr std::array kResults{PlanResult::kPending, PlanResult::kSuccess, PlanResult::kWarning, PlanResult::kError,
                              PlanResult::kCancelled};

struct Counts {
  std::array<std::int64_t, kStates.size()> by_state{};
};

Result<Counts> count_all(persistence::Store& store) {
  Counts counts;
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    const auto count = store.count_plans(kStates[i]);
    if (!count.ok()) return count.error();
    counts.by_state[i] = *count;
  }
  return counts;
}

// The plans of the page, and whether there are more on either side.
struct Plans {
  std::vector<ListedPlan> rows;
  std::string next;      // queries; empty: none
  std::string previous;
};

Result<Plans> find_page(persistence::Store& store, const ListQuery& query) {
  persistence::PlanPages* pages = persistence::pages_of(store);
  if (pages == nullptr) return Error(Code::kUnavailable, "this store has no lists");
  persistence::PageOrder order = query.order;
  ++order.limit;
  auto found = pages->find_page(query.filter, order);
  if (!found.ok()) return found.error();
  Plans plans{std::move(*found), {}, {}};
  const bool is_backwards = query.order.before.has_value();
  const bool has_more = plans.rows.size() > query.order.limit;
  if (has_more) plans.rows.erase(is_backwards ? plans.rows.begin() : plans.rows.end() - 1);
  if (plans.rows.empty()) return plans;
  ListQuery other = query;
  other.order.before.reset();
  other.order.after = plans.rows.back().place;
  if (has_more || is_backwards) plans.next = query_of(other);
  other.order.after.reset();
  other.order.before = plans.rows.front().place;
  if (is_backwards ? has_more : query.order.after.has_value()) plans.previous = query_of(other);
  return plans;
}

template <class List, class Word>
bool contains(const std::optional<List>& list, Word word) {
  return list && std::find(list->begin(), list->end(), word) != list->end();
}

Html checkbox(std::string_view name, std::string_view value, bool is_checked) {
  const Html mark = is_checked ? Html(" checked") : Html();
  return Html("<input type=\"checkbox\" name=\"{}\" value=\"{}\"{}>", name, value, mark);
}

std::string only(const std::optional<std::vector<std::string>>& texts) { return texts && !texts->empty() ? texts->front() : std::string(); }

Html filter_form(const Visit& visit, const ListQuery& query, const Counts& counts) {
  Html html;
  html.add("<form method=\"get\" action=\"{}\"><input type=\"hidden\" name=\"filter\" value=\"1\"><div class=\"filter\">", visit.links.list());
  html.add("<fieldset><legend>State</legend>");
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    html.add("<label>{} {} <span class=\"dim\">{}</span></label> ",
             checkbox("state", to_string(kStates[i]), contains(query.filter.states, kStates[i])), to_string(kStates[i]), counts.by_state[i]);
  }
  html.add("</fieldset><fieldset><legend>Result</legend>");
  for (const PlanResult result : kResults) {
    html.add("<label>{} {}</label> ", checkbox("result", to_string(result), contains(query.filter.results, result)), to_string(result));
  }
  html.add("</fieldset><fieldset><legend>Label</legend><input type=\"text\" name=\"label\" aria-label=\"Label\" value=\"{}\"></fieldset>",
           only(query.filter.labels));
  html.add("<fieldset><legend>Id</legend><input type=\"text\" name=\"id\" aria-label=\"Id\" value=\"{}\"></fieldset>", only(query.filter.ids));
  html.add("<fieldset><legend>Launched by the plan</legend><input type=\"text\" name=\"caller\" aria-label=\"Launched by the plan\" value=\"{}\"></fieldset></div>",
           query.filter.caller_plan_id.value_or(""));
  if (query.order.column != Column::kInserted) {
    html.add("<input type=\"hidden\" name=\"order_by\" value=\"{}\">", name_of(query.order.column));
    if (query.order.is_descending) html.add("<input type=\"hidden\" name=\"desc\" value=\"true\">");
  }
  html.add("<button>Filter</button> <a href=\"{}\">Not stopped</a> &middot; <a href=\"{}\">Paused</a> &middot; <a href=\"{}\">Failed</a> &middot; "
           "<a href=\"{}\">All</a></form>\n",
           visit.links.list(), visit.links.list("?state=paused"), visit.links.list("?result=error"), visit.links.list("?filter=1"));
  return html;
}

Html heading(const Visit& visit, const ListQuery& query, Column column, std::string_view text, bool is_wide = false) {
  ListQuery other = query;
  other.order.after.reset();
  other.order.before.reset();
  const bool is_this = query.order.column == column;
  other.order.column = column;
  other.order.is_descending = is_this ? !query.order.is_descending : column == Column::kStartedAt || column == Column::kEndedAt;
  const Html wide = is_wide ? Html(" class=\"wide\"") : Html();
  const std::string_view mark = !is_this ? "" : query.order.is_descending ? " \u2193" : " \u2191";
  return Html("<th{}><a href=\"{}\">{}</a>{}</th>", wide, visit.links.list(query_of(other)), text, mark);
}

Html rows_of(const Visit& visit, const ListQuery& query, const Plans& plans) {
  Html html;
  html.add("<div class=\"scroll\"><table><thead><tr>{}{}{}{}{}{}</tr></thead><tbody>\n", heading(visit, query, Column::kLabel, "Label"),
           heading(visit, query, Column::kState, "State"), heading(visit, query, Column::kResult, "Result"),
           heading(visit, query, Column::kStartedAt, "Started at", true), heading(visit, query, Column::kEndedAt, "Ended at", true),
           heading(visit, query, Column::kRealTime, "Time", true));
  for (const auto& [plan, place] : plans.rows) {
    html.add("<tr><td><a href=\"{}\">{}</a><br><span class=\"mono dim\">{}</span></td><td>{}</td><td>{}</td><td class=\"wide nowrap\">{}</td>"
             "<td class=\"wide nowrap\">{}</td><td class=\"wide nowrap\">{}</td></tr>\n",
             visit.links.plan(plan.id), plan.label.empty() ? std::string("(not planned yet)") : plan.label, plan.id, badge(to_string(plan.state)),
             badge(to_string(plan.result)), shown_time(plan.started_at), shown_time(plan.ended_at), shown_seconds(plan.real_time));
  }
  html.add("</tbody></table></div>\n");
  if (plans.rows.empty()) html.add("<p class=\"dim\">No plan matches.</p>\n");
  return html;
}

Html pages_of(const Visit& visit, const ListQuery& query, const Plans& plans) {
  Html html("<div class=\"pages\">");
  if (!plans.previous.empty()) {
    ListQuery first = query;
    first.order.after.reset();
    first.order.before.reset();
    html.add("<a href=\"{}\">First page</a><a rel=\"prev\" href=\"{}\">Previous page</a>", visit.links.list(query_of(first)), visit.links.list(plans.previous));
  }
  if (!plans.next.empty()) html.add("<a rel=\"next\" href=\"{}\">Next page</a>", visit.links.list(plans.next));
  ListQuery live = query;
  live.is_live = !query.is_live;
  html.add("<a class=\"dim\" href=\"{}\">{}</a></div>\n", visit.links.list(query_of(live)),
           query.is_live ? "Stop refreshing" : "Refresh every 5 s");
  return html;
}

Json document_of(const Plans& plans, const Counts& counts) {
  Json rows = Json::array();
  for (const ListedPlan& one : plans.rows) rows.push_back(summary_of(one.plan));
  Json states = Json::object();
  for (std::size_t i = 0; i < kStates.size(); ++i) states[std::string(to_string(kStates[i]))] = counts.by_state[i];
  const auto link = [](const std::string& query) { return query.empty() ? Json() : Json(query); };
  return Json{{"execution_plans", std::move(rows)}, {"next", link(plans.next)}, {"previous", link(plans.previous)}, {"counts", std::move(states)}};
}

}  // namespace

http::Response list_page(const Visit& visit, persistence::Store& store, const ListQuery& query) {
  const auto counts = count_all(store);
  if (!counts.ok()) return failure_answer(visit, counts.error());
  const auto plans = find_page(store, query);
  if (!plans.ok()) return failure_answer(visit, plans.error());
  if (visit.wants_json) return document_answer(document_of(*plans, *counts));
  Page page;
  page.title = "Tasks";
  if (query.is_live) page.refresh_link = visit.links.list(query_of(query));
  page.body.add("<h1>Tasks</h1>\n{}{}{}", filter_form(visit, query, *counts), rows_of(visit, query, *plans), pages_of(visit, query, *plans));
  return page_answer(visit, page);
}

}  // namespace dynflow::api::console
