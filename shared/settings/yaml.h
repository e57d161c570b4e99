// Settings files, read as Ruby's Psych 4 reads them: symbols and strings told apart, YAML 1.1 scalars, the last of
// duplicate keys wins. Aliases, dates and foreign tags are refused, as Psych's safe loading does.
//
// Threads: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"

namespace dynflow::settings {

inline constexpr std::size_t kLargestFile = 256 * 1024;
inline constexpr std::size_t kDeepestNesting = 100;
inline constexpr std::size_t kMostKeys = 2000;  // in one map; looking for duplicates compares each with each

enum class NodeType { kNull, kBool, kInt, kFloat, kString, kSymbol, kList, kMap };
// "null", "boolean", "integer", "float", "string", "symbol", "list", "map".
std::string_view to_string(NodeType type);

struct Member;

// A value with the place where it stands.
struct Node {
  NodeType type = NodeType::kNull;
  bool boolean = false;
  std::int64_t integer = 0;
  double real = 0;
  std::string text;  // of strings and symbols (without the colon); else as it is spelled in the file
  std::vector<Node> items;
  std::vector<Member> members;  // in the file's order, each key once

  std::shared_ptr<const std::string> file;  // owners: all nodes of one file; null for made-up values
  int line = 0;                             // from 1
  int column = 0;                           // from 1

  bool is_null() const { return type == NodeType::kNull; }
  bool is_text() const { return type == NodeType::kString || type == NodeType::kSymbol; }
  // "file:line", or "default" for made-up values.
  std::string place() const;
};

struct Member {
  Node key;
  Node value;
};

struct Document {
  Node root;  // null for an empty file
  std::vector<std::string> warnings;  // "file:line: ..." about duplicate keys
};

// Errors: kInvalid, one line "name:line: message".
Result<Document> parse_yaml(std::string_view text, const std::string& name);
// Errors: kNotFound (no such file), kFailed (cannot be read), kTooLarge, kInvalid.
Result<Document> load_yaml(const std::string& path);

// A plain (unquoted) scalar as Psych 4.0.3 takes it (lib/psych/scalar_scanner.rb). kInvalid: a date or a time, which
// safe loading refuses, or an integer beyond 64 bits.
Result<Node> resolve_plain_scalar(std::string_view text);

}  // namespace dynflow::settings
