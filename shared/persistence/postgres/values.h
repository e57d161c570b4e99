// Values on their way to PostgreSQL, in its binary form: single ones, and columns of many that a statement unnests.
//
// Threads: values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/clock.h"

namespace dynflow::persistence::postgres {

// An array of the server: text[], bigint[], double precision[] or boolean[].
class Column {
 public:
  // `type`: t, i, f or b.
  explicit Column(char type);

  void add(std::string_view text);
  void add(const std::string& text) { add(std::string_view(text)); }
  void add(const char* text) { add(std::string_view(text)); }
  void add(std::int64_t number);
  void add(int number) { add(static_cast<std::int64_t>(number)); }
  void add(double number);
  void add(bool value);
  void add(Time time) { add(static_cast<std::int64_t>(time.time_since_epoch().count())); }
  template <class T>
  void add(const std::optional<T>& value) {
    if (value) {
      add(*value);
    } else {
      add_null();
    }
  }
  void add_null();

  // As the server reads it.
  std::string_view bytes() const { return bytes_; }

 private:
  void count_one();

  std::string bytes_;
  std::int32_t count_ = 0;
};

// Rows of a statement that unnests columns.
class Columns {
 public:
  // A letter a column, as Column has it.
  explicit Columns(std::string_view types) : columns_(types.begin(), types.end()) {}

  template <class... Values>
  void add_row(const Values&... values) {
    auto column = columns_.begin();
    ((column++)->add(values), ...);
    ++rows_;
  }
  std::size_t rows() const { return rows_; }
  std::size_t byte_count() const;
  const std::vector<Column>& list() const { return columns_; }

 private:
  std::vector<Column> columns_;
  std::size_t rows_ = 0;
};

// A parameter of a statement. Texts and columns are views that must live until the statement is queued.
class Parameter {
 public:
  explicit Parameter(std::string_view text) : view_(text) {}
  explicit Parameter(const std::string& text) : view_(text) {}
  explicit Parameter(const char* text) : view_(text) {}
  explicit Parameter(std::string&&) = delete;
  explicit Parameter(const Column& column) : view_(column.bytes()) {}
  explicit Parameter(std::int64_t number);
  explicit Parameter(int number) : Parameter(static_cast<std::int64_t>(number)) {}
  explicit Parameter(double number);
  explicit Parameter(bool value);
  explicit Parameter(Time time) : Parameter(static_cast<std::int64_t>(time.time_since_epoch().count())) {}

  const char* data() const { return own_size_ > 0 ? own_.data() : view_.data(); }
  int size() const { return own_size_ > 0 ? own_size_ : static_cast<int>(view_.size()); }

 private:
  std::string_view view_;
  std::array<char, 8> own_{};
  int own_size_ = 0;  // 0: the view counts
};

}  // namespace dynflow::persistence::postgres
