#include "shared/settings/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>

#include "shared/base/utf8.h"
#include "shared/log/text.h"

namespace dynflow::settings {

namespace {

// Thrown out of the event handler, which has no other way to stop the parser; caught in parse_yaml.
struct Refusal {
  int line;
  std::string message;
};

bool is_same_key(const Node& a, const Node& b) { return a.type == b.type && a.text == b.text; }

std::string key_text(const Node& key) { return key.type == NodeType::kSymbol ? ":" + key.text + ":" : key.text + ":"; }

class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(std::string name) : file_(std::make_shared<const std::string>(std::move(name))) {}
  Document take() && { return std::move(document_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark& mark, const std::string& /*name*/) override { refuse_alias(mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse_alias(mark); }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check_anchor(mark, anchor);
    add(placed(Node{}, mark));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check_anchor(mark, anchor);
    Node node;
    node.type = NodeType::kString;
    node.text = value;
    if (tag == "?") {
      auto resolved = resolve_plain_scalar(value);
      if (!resolved.ok()) throw Refusal{mark.line + 1, resolved.error().message()};
      node = std::move(*resolved);
    } else if (tag == "!ruby/sym" || tag == "!ruby/symbol") {
      node.type = NodeType::kSymbol;
    } else if (tag != "!" && tag != "tag:yaml.org,2002:str") {
      throw Refusal{mark.line + 1, "the tag " + tag + " is not allowed"};
    }
    add(placed(std::move(node), mark));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(NodeType::kList, "tag:yaml.org,2002:seq", mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(NodeType::kMap, "tag:yaml.org,2002:map", mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    Node node;
    bool has_key = false;
    Node key;
  };

  [[noreturn]] static void refuse_alias(const YAML::Mark& mark) {
    throw Refusal{mark.line + 1, "anchors and aliases are not allowed"};
  }
  static void check_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) refuse_alias(mark);
  }

  Node placed(Node node, const YAML::Mark& mark) const {
    node.file = file_;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  void open(NodeType type, std::string_view plain_tag, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    check_anchor(mark, anchor);
    if (!tag.empty() && tag != "?" && tag != "!" && tag != plain_tag) {
      throw Refusal{mark.line + 1, "the tag " + tag + " is not allowed"};
    }
    if (frames_.size() >= kDeepestNesting) throw Refusal{mark.line + 1, "nested too deeply"};
    Node node;
    node.type = type;
    frames_.push_back({placed(std::move(node), mark), false, {}});
  }

  void close() {
    Node node = std::move(frames_.back().node);
    frames_.pop_back();
    add(std::move(node));
  }

  void add(Node node) {
    if (frames_.empty()) {
      document_.root = std::move(node);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node.type == NodeType::kList) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.has_key) {
      if (!node.items.empty() || !node.members.empty()) throw Refusal{node.line, "a key must be one word"};
      if (node.text == "<<") throw Refusal{node.line, "merge keys are not allowed"};
      frame.key = std::move(node);
      frame.has_key = true;
    } else {
      frame.has_key = false;
      add_member(frame.node.members, std::move(frame.key), std::move(node));
    }
  }

  void add_member(std::vector<Member>& members, Node key, Node value) {
    const auto same =
        std::find_if(members.begin(), members.end(), [&](const Member& each) { return is_same_key(each.key, key); });
    if (same == members.end()) {
      if (members.size() >= kMostKeys) throw Refusal{key.line, "too many keys"};
      members.push_back({std::move(key), std::move(value)});
      return;
    }
    document_.warnings.push_back(key.place() + ": " + log::to_one_line(key_text(key)) +
                                 " stands here a second time and replaces line " + std::to_string(same->key.line));
    *same = {std::move(key), std::move(value)};
  }

  std::shared_ptr<const std::string> file_;
  std::vector<Frame> frames_;
  Document document_;
};

// `message` may quote the file.
Error problem(const std::string& name, int line, const std::string& message) {
  return Error(Code::kInvalid, name + ":" + std::to_string(line) + ": " + log::to_one_line(message));
}

}  // namespace

std::string_view to_string(NodeType type) {
  switch (type) {
    case NodeType::kNull:
      return "null";
    case NodeType::kBool:
      return "boolean";
    case NodeType::kInt:
      return "integer";
    case NodeType::kFloat:
      return "float";
    case NodeType::kString:
      return "string";
    case NodeType::kSymbol:
      return "symbol";
    case NodeType::kList:
      return "list";
    case NodeType::kMap:
      return "map";
  }
  return "";
}

std::string Node::place() const { return file ? *file + ":" + std::to_string(line) : "default"; }

Result<Document> parse_yaml(std::string_view text, const std::string& name) {
  if (text.size() > kLargestFile) {
    return Error(Code::kTooLarge, name + ": longer than " + std::to_string(kLargestFile) + " bytes");
  }
  if (text.substr(0, 3) == "\xEF\xBB\xBF") return problem(name, 1, "starts with a byte order mark");
  if (!is_valid_utf8(text)) return Error(Code::kInvalid, name + ": is not valid UTF-8");
  std::istringstream in{std::string(text)};
  Builder builder(name);
  try {
    YAML::Parser parser(in);
    // Of several documents Psych reads the first one, too. False: there is none.
    static_cast<void>(parser.HandleNextDocument(builder));
  } catch (const Refusal& refusal) {
    return problem(name, refusal.line, refusal.message);
  } catch (const YAML::Exception& failure) {
    return problem(name, failure.mark.line + 1, failure.msg);
  }
  return std::move(builder).take();
}

Result<Document> load_yaml(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    const int number = errno;
    return Error(number == ENOENT || number == ENOTDIR ? Code::kNotFound : Code::kFailed,
                 path + ": " + std::generic_category().message(number));
  }
  std::string text(kLargestFile + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return Error(Code::kFailed, path + ": cannot be read");
  text.resize(static_cast<std::size_t>(in.gcount()));
  return parse_yaml(text, path);
}

}  // namespace dynflow::settings
