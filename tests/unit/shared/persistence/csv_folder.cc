#include "tests/unit/shared/persistence/csv_folder.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace dynflow::persistence {
namespace {

CsvRows parse(const std::string& text) {
  CsvRows rows;
  std::vector<std::string> row;
  std::string field;
  bool was_quoted = false;
  const auto end_field = [&] {
    row.push_back(field.empty() && !was_quoted ? kCsvNull : field);
    field.clear();
    was_quoted = false;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      REQUIRE(field.empty());
      was_quoted = true;
      for (++i; i < text.size(); ++i) {
        if (text[i] == '"' && (i + 1 == text.size() || text[i + 1] != '"')) break;
        if (text[i] == '"') ++i;
        field += text[i];
      }
      REQUIRE(i < text.size());
    } else if (text[i] == ',') {
      end_field();
    } else if (text[i] == '\n') {
      end_field();
      rows.push_back(std::move(row));
      row.clear();
    } else {
      field += text[i];
    }
  }
  REQUIRE(row.empty());
  REQUIRE(field.empty());
  return rows;
}

}  // namespace

std::string CsvFolder::text(const std::string& name) const {
  std::ifstream file(path() + "/" + name, std::ios::binary);
  REQUIRE(file.is_open());
  return {std::istreambuf_iterator<char>(file), {}};
}

CsvRows CsvFolder::rows(const std::string& name) const {
  CsvRows all;
  for (const auto& day : std::filesystem::directory_iterator(path())) {
    if (!std::filesystem::exists(day.path() / name)) continue;
    const CsvRows rows = parse(text(day.path().filename() / name));
    REQUIRE_FALSE(rows.empty());
    all.insert(all.end(), rows.begin() + 1, rows.end());
  }
  return all;
}

std::size_t CsvFolder::entries() const {
  const std::filesystem::directory_iterator all(path());
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace dynflow::persistence
