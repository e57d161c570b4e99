#include "shared/api/console/list_query.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include "shared/api/console/links.h"

namespace dynflow::api::console {
namespace {

using persistence::PlanOrder;
using persistence::PlanPlace;
using persistence::PlanState;
using Column = PlanOrder::Column;
using Texts = std::vector<std::string>;

struct ColumnName {
  Column column;
  std::string_view name;
};
constexpr std::array kColumns{
    ColumnName{Column::kId, "id"},           ColumnName{Column::kLabel, "label"},         ColumnName{Column::kState, "state"},
    ColumnName{Column::kResult, "result"},   ColumnName{Column::kStartedAt, "started_at"}, ColumnName{Column::kEndedAt, "ended_at"},
    ColumnName{Column::kExecutionTime, "execution_time"}, ColumnName{Column::kRealTime, "real_time"},
};

Error wrong(std::string_view name, std::string_view text) { return Error(Code::kInvalid, fmt::format("{}: \"{}\" means nothing here", name, text)); }

// All spellings of a filter, empty values left out.
Texts filter_values(const http::Request& request, std::string_view name) {
  Texts values;
  for (const std::string& spelling : {std::string(name), fmt::format("filters[{}][]", name), fmt::format("filters[{}]", name)}) {
    for (std::string& value : request.query_values(spelling)) {
      if (!value.empty()) values.push_back(std::move(value));
    }
  }
  return values;
}

template <class Parse>
Status read_words(const http::Request& request, std::string_view name, Parse parse, auto& list) {
  for (const std::string& text : filter_values(request, name)) {
    const auto word = parse(text);
    if (!word) return wrong(name, text);
    if (!list) list.emplace();
    list->push_back(*word);
  }
  return {};
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// "<number>", "<number>i<microseconds>", "<number>d<seconds>", "<number>t<text>".
std::string text_of(const PlanPlace& place) {
  std::string text = std::to_string(place.number);
  if (const auto* integer = std::get_if<std::int64_t>(&place.key)) text += fmt::format("i{}", *integer);
  if (const auto* real = std::get_if<double>(&place.key)) text += fmt::format("d{}", *real);
  if (const auto* words = std::get_if<std::string>(&place.key)) text += "t" + *words;
  return text;
}

std::optional<PlanPlace> parse_place(std::string_view text) {
  PlanPlace place;
  const auto digits = std::min(text.size(), text.find_first_not_of("0123456789"));
  if (!read_number(text.substr(0, digits), place.number)) return std::nullopt;
  if (digits == text.size()) return place;
  const char kind = text[digits];
  text.remove_prefix(digits + 1);
  if (kind == 't') {
    place.key = std::string(text);
    return place;
  }
  std::int64_t integer = 0;
  double real = 0;
  if (kind == 'i' && read_number(text, integer)) {
    place.key = integer;
    return place;
  }
  if (kind == 'd' && read_number(text, real)) {
    place.key = real;
    return place;
  }
  return std::nullopt;
}

Status read_place(const http::Request& request, std::string_view name, Column column, std::optional<PlanPlace>& place) {
  const Texts values = request.query_values(name);
  if (values.empty() || values.back().empty()) return {};
  place = parse_place(values.back());
  if (!place || !persistence::is_place_of(*place, column)) return wrong(name, values.back());
  return {};
}

Status read_order(const http::Request& request, ListQuery& query) {
  persistence::PageOrder& order = query.order;
  order.is_descending = true;
  order.limit = kPlansOnPage;
  if (const Texts names = request.query_values("order_by"); !names.empty() && !names.back().empty()) {
    const auto found = std::find_if(kColumns.begin(), kColumns.end(), [&](const ColumnName& one) { return one.name == names.back(); });
    if (found == kColumns.end()) return wrong("order_by", names.back());
    order.column = found->column;
    const Texts directions = request.query_values("desc");
    order.is_descending = !directions.empty() && !directions.back().empty() && directions.back() != "false";
  }
  if (const Texts sizes = request.query_values("per_page"); !sizes.empty()) {
    if (!read_number(std::string_view(sizes.back()), order.limit) || order.limit == 0 || order.limit > kMostPlansOnPage) {
      return wrong("per_page", sizes.back());
    }
  }
  if (Status read = read_place(request, "after", order.column, order.after); !read) return read;
  if (Status read = read_place(request, "before", order.column, order.before); !read) return read;
  if (order.after && order.before) return Error(Code::kInvalid, "only one of after and before can be given");
  return {};
}

}  // namespace

Result<ListQuery> read_list_query(const http::Request& request) {
  ListQuery query;
  persistence::PlanFilter& filter = query.filter;
  const auto parse_state = [](const std::string& text) { return persistence::parse_plan_state(text); };
  const auto parse_result = [](const std::string& text) { return persistence::parse_plan_result(text); };
  if (Status read = read_words(request, "state", parse_state, filter.states); !read) return read.error();
  if (Status read = read_words(request, "result", parse_result, filter.results); !read) return read.error();
  if (Texts labels = filter_values(request, "label"); !labels.empty()) filter.labels = std::move(labels);
  if (Texts ids = filter_values(request, "id"); !ids.empty()) filter.ids = std::move(ids);
  if (Texts callers = filter_values(request, "caller"); !callers.empty()) filter.caller_plan_id = std::move(callers.back());
  if (const Texts actions = filter_values(request, "caller_action"); !actions.empty()) {
    int action = 0;
    if (!read_number(std::string_view(actions.back()), action)) return wrong("caller_action", actions.back());
    filter.caller_action_id = action;
  }
  const bool is_filtered = filter.states || filter.results || filter.labels || filter.ids || filter.caller_plan_id || filter.caller_action_id ||
                           !request.query_values("filter").empty();
  if (!is_filtered) {
    filter.states = {PlanState::kPending, PlanState::kScheduled, PlanState::kPlanning, PlanState::kPlanned, PlanState::kRunning,
                     PlanState::kPaused};
  }
  query.is_live = !request.query_values("live").empty();
  if (Status read = read_order(request, query); !read) return read.error();
  return query;
}

std::string query_of(const ListQuery& query) {
  std::string text = "?filter=1";
  const auto add = [&](std::string_view name, std::string_view value) {
    fmt::format_to(std::back_inserter(text), "&{}={}", name, url_encoded(value));
  };
  const auto add_all = [&](std::string_view name, const std::optional<Texts>& values) {
    for (const std::string& value : values.value_or(Texts())) add(name, value);
  };
  for (const auto state : query.filter.states.value_or(std::vector<PlanState>())) add("state", to_string(state));
  for (const auto result : query.filter.results.value_or(std::vector<persistence::PlanResult>())) add("result", to_string(result));
  add_all("label", query.filter.labels);
  add_all("id", query.filter.ids);
  if (query.filter.caller_plan_id) add("caller", *query.filter.caller_plan_id);
  if (query.filter.caller_action_id) add("caller_action", std::to_string(*query.filter.caller_action_id));
  if (query.order.column != Column::kInserted) {
    add("order_by", name_of(query.order.column));
    if (query.order.is_descending) add("desc", "true");
  }
  if (query.order.limit != kPlansOnPage) add("per_page", std::to_string(query.order.limit));
  if (query.order.after) add("after", text_of(*query.order.after));
  if (query.order.before) add("before", text_of(*query.order.before));
  if (query.is_live) add("live", "1");
  return text;
}

std::string_view name_of(Column column) {
  const auto found = std::find_if(kColumns.begin(), kColumns.end(), [&](const ColumnName& one) { return one.column == column; });
  return found == kColumns.end() ? std::string_view() : found->name;
}

}  // namespace dynflow::api::console
