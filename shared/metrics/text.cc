#include "shared/metrics/text.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace dynflow::metrics {
namespace {

std::string_view word_of(Kind kind) {
  switch (kind) {
    case Kind::kCounter: return "counter";
    case Kind::kGauge: return "gauge";
    case Kind::kHistogram: return "histogram";
  }
  return "untyped";
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

void add_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
}

}  // namespace

Text& Text::family(std::string_view name, Kind kind, std::string_view help) {
  name_ = name;
  fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, word_of(kind));
  return *this;
}

Text& Text::sample(Labels labels, double value) { return add({}, labels, number(value)); }

Text& Text::sample(Labels labels, const Histogram& histogram) {
  const Histogram::View view = histogram.view();
  for (std::size_t i = 0; i < view.below.size(); ++i) {
    add("_bucket", labels, std::to_string(view.below[i]), number(histogram.bounds()[i]));
  }
  add("_bucket", labels, std::to_string(view.count), "+Inf");
  add("_sum", labels, number(view.sum));
  return add("_count", labels, std::to_string(view.count));
}

Text& Text::add(std::string_view suffix, Labels labels, std::string_view value, std::string_view bound) {
  text_ += name_;
  text_ += suffix;
  char separator = '{';
  const auto label = [&](std::string_view name, std::string_view its_value) {
    text_ += separator;
    separator = ',';
    text_ += name;
    text_ += "=\"";
    add_escaped(text_, its_value);
    text_ += '"';
  };
  for (const auto& [name, its_value] : labels) label(name, its_value);
  if (!bound.empty()) label("le", bound);
  if (separator == ',') text_ += '}';
  text_ += ' ';
  text_ += value;
  text_ += '\n';
  return *this;
}

}  // namespace dynflow::metrics
