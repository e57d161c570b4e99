// Settings come from one table a file: the parser, the reference page and the example file are made from it.
//
// Threads: values and constants.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/settings/yaml.h"

namespace dynflow::settings {

enum class Type {
  kBool,
  kInt,       // an integer, or a string of digits
  kString,    // a string or a symbol
  kPath,      // the same; a leading "~/" becomes the home directory
  kWord,      // the same; one of `choices`
  kPort,      // 1 to 65535, also as a string
  kList,      // strings; a single one is a list of one
  kVersions,  // strings, floats or integers, kept as text: 1.1, "1.1"
  kNumbers,   // a list of numbers, kept as text
  kScalar,    // a string or an integer, kept as text
  kEnabled,   // anything; see settings/module.h
};

enum class Null {
  kUnsets,   // an explicit null means: no value, not even the default
  kDefault,  // an explicit null means the default
  kRefused,  // an explicit null is an error, and so is an empty string
};

// What is wrong with a value of the right type; nothing when it is fine.
using Check = std::optional<std::string> (*)(const Node& value);

struct Setting {
  std::string_view key;
  Type type;
  std::string_view default_value;  // as YAML; empty: no value
  std::string_view doc;            // one line
  Null null = Null::kUnsets;
  std::string_view choices = {};  // "a|b|c" for kWord
  Check check = nullptr;
};

// A key of older versions that is still in people's files.
struct RetiredSetting {
  std::string_view key;
  std::string_view doc;  // what to know about it, one line
};

struct Table {
  std::string_view file;   // "dynflow.yml"
  std::string_view where;  // the folder it lives in, for the reference page
  std::string_view doc;
  std::span<const Setting> settings;
  std::span<const RetiredSetting> retired = {};
  std::span<const std::string_view> at_reload = {};  // keys whose new values count from a reload on; the others wait for a start
  std::span<const std::string_view> at_new_side = {};  // of the others: those that a core, or a way to one, made at run time goes by
  bool is_read_by_core = false;  // all but "enabled" are of those
};

// How keys without a leading colon are taken: Ruby's global files accept them, its module files never look at them.
enum class StringKeys { kAccepted, kIgnored };

// What a null or an empty text is where there has to be a value: an error of the file, or, as for Ruby's modules, one of the module, which is failed
// while everything else runs.
enum class Missing { kRefused, kNoted };

// The settings of one table with what a file says about them. The getters fit the type of the setting; asking for a
// key that the table lacks, or for another type, is a bug of ours and aborts.
class Values {
 public:
  // kInvalid: "file:line: :key: expected X, got Y". Unknown and retired keys are warnings. `root` is a map or null.
  static Result<Values> read(const Table& table, const Node& root, StringKeys string_keys, Missing missing = Missing::kRefused);

  bool get_bool(std::string_view key) const;
  std::int64_t get_int(std::string_view key) const;       // kInt, kPort
  std::string get_string(std::string_view key) const;     // kString, kPath, kWord, kScalar; empty when unset
  std::vector<std::string> get_list(std::string_view key) const;  // kList, kVersions, kNumbers; empty when unset
  // Nothing when unset.
  std::optional<bool> find_bool(std::string_view key) const;
  std::optional<std::int64_t> find_int(std::string_view key) const;
  std::optional<std::string> find_string(std::string_view key) const;
  std::optional<std::vector<std::string>> find_list(std::string_view key) const;

  // The value as it counts: from the file or the default.
  const Node& node(std::string_view key) const;
  // Stands in the file, if only as null.
  bool is_present(std::string_view key) const;
  // "file:line", or "default" when it does not stand in the file.
  std::string place(std::string_view key) const;

  // The first setting without the value that it has to have, in upstream's words and with its place; the default counts meanwhile. Only with
  // Missing::kNoted.
  const std::optional<std::string>& failure() const { return failure_; }

  const std::vector<std::string>& warnings() const { return warnings_; }
  const Table& table() const { return *table_; }

 private:
  struct Entry {
    const Setting* setting;
    Node value;
    bool is_present = false;
    bool is_missing = false;  // it stands there without the value that it has to have
    std::string place = "default";
  };
  explicit Values(const Table& table) : table_(&table) {}
  const Entry& entry(std::string_view key) const;

  const Table* table_;
  std::vector<Entry> entries_;
  std::optional<std::string> failure_;
  std::vector<std::string> warnings_;
};

// What counts, in upstream's form (smart-proxy 3.11, lib/proxy/plugin_initializer.rb): 'a': 1, 'b': text (default). Passwords in
// URLs are left out.
std::string shown_settings(const Values& values);

// The keys whose values that count differ, in the table's order; where a value stands does not matter.
std::vector<std::string_view> changed_keys(const Values& before, const Values& now);
bool is_taken_at_reload(const Table& table, std::string_view key);
// Whether a core, or a way to one, that a running program begins with goes by the new value.
bool is_taken_by_new_side(const Table& table, std::string_view key);

// Checks for tables.
std::optional<std::string> check_positive(const Node& value);
std::optional<std::string> check_not_negative(const Node& value);
std::optional<std::string> check_http_url(const Node& value);
std::optional<std::string> check_log_level(const Node& value);

// A value as text, whatever its scalar type: 1.10 is "1.1", 8443 is "8443".
std::string scalar_text(const Node& node);

// The word of `words` that is most like `word`; empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string_view>& words);

// "~/x" with the home directory of the user who runs the program.
std::string expand_home(std::string_view path);

// A section of the reference page (Markdown), and a file with every setting commented out and explained.
std::string reference_markdown(const Table& table);
std::string example_file(const Table& table);

}  // namespace dynflow::settings
