// Writes numbers in the text format of Prometheus (exposition format 0.0.4).
//
// Threads: a value.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "shared/metrics/numbers.h"

namespace dynflow::metrics {

inline constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

enum class Kind { kCounter, kGauge, kHistogram };

class Text {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  // Begins a family; what follows are its samples. Names are ours: valid, and each used once. `help`: one line.
  Text& family(std::string_view name, Kind kind, std::string_view help);
  Text& sample(Labels labels, double value);
  Text& sample(Labels labels, std::integral auto value) { return add({}, labels, std::to_string(value)); }
  Text& sample(Labels labels, const Counter& counter) { return sample(labels, counter.value()); }
  Text& sample(Labels labels, const Histogram& histogram);
  // A family of one sample without labels.
  template <class Value>
  Text& single(std::string_view name, Kind kind, std::string_view help, const Value& value) {
    return family(name, kind, help).sample({}, value);
  }

  std::string take() { return std::move(text_); }

 private:
  Text& add(std::string_view suffix, Labels labels, std::string_view value, std::string_view bound = {});

  std::string text_;
  std::string name_;  // of the family
};

}  // namespace dynflow::metrics
