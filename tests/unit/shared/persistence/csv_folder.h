// A temporary folder and the CSV files in it, for tests of the archive.
#pragma once

#include <string>
#include <vector>

#include "shared/base/temporary_folder.h"

namespace dynflow::persistence {

// Rows of texts; null and the empty text differ: null is kCsvNull.
using CsvRows = std::vector<std::vector<std::string>>;
inline constexpr char kCsvNull[] = "<null>";

class CsvFolder {
 public:

  std::string path() const { return folder_.path().string(); }
  std::string file(const std::string& name) const { return path() + "/" + name; }
  // All of a file; fails the test when it cannot be read.
  std::string text(const std::string& name) const;
  // The rows of that file in all folders of days, without the headers; none when there is no such file. Fails the test when it is no CSV.
  CsvRows rows(const std::string& name) const;
  // The number of entries of the folder itself.
  std::size_t entries() const;

 private:
  const TemporaryFolder folder_ = TemporaryFolder::make("dynflow-csv").value();
};

}  // namespace dynflow::persistence
