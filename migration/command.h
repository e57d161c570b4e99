// What a command of the program is: a row with its options and a function. Command line, manual page and shell completion are
// made from these rows.
//
// Threads: constants and values.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "migration/exit_code.h"
#include "migration/output.h"
#include "shared/base/result.h"

namespace dynflow::migration {

enum class OptionKind {
  kFlag,        // --force
  kValue,       // --to WORD
  kPositional,  // KEY
};

struct Option {
  std::string_view name;        // "to", without dashes; of positionals the name that is shown: "KEY"
  OptionKind kind;
  std::string_view value_name;  // "SECONDS", or the words that are allowed: "internal|external"; empty for flags and free positionals
  std::string_view doc;         // one line
  bool is_required = false;
};

// What the options of all commands say.
struct GlobalOptions {
  std::string root = "/";                 // everything is looked for below this folder
  std::string config_dir;                 // of the proxy, below root; empty: /etc/foreman-proxy
  std::string core_config_dir;            // of the sidecar, below root; empty: /etc/smart_proxy_dynflow_core
  std::string proxy_url;                  // where the proxy answers; empty: from its settings
  bool is_json = false;
  bool is_noop = false;                   // say what would be done, change nothing
};

// What the command line said, by the names of the command's rows.
class Arguments {
 public:
  void set(std::string_view name, std::string value) { values_.insert_or_assign(std::string(name), std::move(value)); }
  bool has(std::string_view name) const { return values_.contains(name); }
  // Empty when it was not said.
  std::string get(std::string_view name) const;
  // kInvalid with the option's name when it is no whole number from 0 to 1,000,000,000.
  Result<std::optional<long>> number(std::string_view name) const;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

struct Context {
  const GlobalOptions& options;
  const Arguments& arguments;
  Output& output;
};

struct Command {
  std::string_view name;     // "status", or with its group: "config get"
  std::string_view summary;  // one line
  std::span<const Option> options;
  // An error is shown and becomes kError.
  Result<ExitCode> (*run)(Context& context);
};

// Reads "internal" out of "internal|external".
std::vector<std::string_view> words_of(const Option& option);

}  // namespace dynflow::migration
