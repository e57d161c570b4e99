// A temporary folder and the CSV files in it, for tests of the archive.
#pragma once

#include <string>
#include <vector>

namespace dynflow::persistence {

// Rows of texts; null and the empty text differ: null is kCsvNull.
using CsvRows = std::vector<std::vector<std::string>>;
inline constexpr char kCsvNull[] = "<null>";

class CsvFolder {
 public:
  CsvFolder();
  CsvFolder(const CsvFolder&) = delete;
  CsvFolder& operator=(const CsvFolder&) = delete;
  ~CsvFolder();

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  // All of a file; fails the test when it cannot be read.
  std::string text(const std::string& name) const;
  // The rows of that file in all folders of days, without the headers; none when there is no such file. Fails the test when it is no CSV.
  CsvRows rows(const std::string& name) const;
  // The number of entries of the folder itself.
  std::size_t entries() const;

 private:
  std::string path_;
};

}  // namespace dynflow::persistence
