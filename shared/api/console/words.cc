#include "shared/api/console/words.h"

#include <fmt/format.h>

#include "shared/json/json.h"

namespace dynflow::api::console {

Html badge(std::string_view word) { return Html("<span class=\"badge {}\">{}</span>", word, word); }

std::string shown_time(const std::optional<Time>& time) {
  if (!time) return "-";
  return dynflow_time(*time).substr(0, sizeof("2026-11-22 06:52:28") - 1);
}

std::string shown_seconds(double seconds) {
  if (seconds <= 0) return "-";
  if (seconds < 60) return fmt::format("{:.2f} s", seconds);
  const auto whole = static_cast<std::int64_t>(seconds);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
}

Html button(const Visit& visit, std::string_view plan_id, std::string_view command, std::string_view text, bool is_risky) {
  const Html look = is_risky ? Html(" class=\"risky\"") : Html();
  return Html("<form class=\"inline\" method=\"post\" action=\"{}\"><input type=\"hidden\" name=\"token\" value=\"{}\"><button{}>{}</button></form>",
              visit.links.command(plan_id, command), visit.token, look, text);
}

Json time_or_null(const std::optional<Time>& time) { return time ? Json(dynflow_time(*time)) : Json(); }
Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json summary_of(const persistence::PlanRecord& plan) {
  return Json{{"id", plan.id},
              {"label", text_or_null(plan.label)},
              {"state", to_string(plan.state)},
              {"result", to_string(plan.result)},
              {"started_at", time_or_null(plan.started_at)},
              {"ended_at", time_or_null(plan.ended_at)},
              {"execution_time", plan.execution_time},
              {"real_time", plan.real_time},
              {"world_id", text_or_null(plan.owner)}};
}

}  // namespace dynflow::api::console
