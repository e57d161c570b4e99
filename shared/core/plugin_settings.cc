#include "shared/core/plugin_settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace dynflow::core {
namespace {

void merge(settings::Node& into, settings::Node from) {
  for (settings::Member& member : from.members) {
    const auto same = std::find_if(into.members.begin(), into.members.end(), [&](const settings::Member& other) {
      return other.key.type == member.key.type && other.key.text == member.key.text;
    });
    if (same == into.members.end()) {
      into.members.push_back(std::move(member));
    } else {
      *same = std::move(member);
    }
  }
}

}  // namespace

Result<settings::Document> plugin_settings(const std::vector<std::filesystem::path>& folders, const std::string& name) {
  if (name.empty() || name.find('/') != std::string::npos || name.front() == '.') {
    return Error(Code::kInvalid, fmt::format("'{}' cannot be the name of a settings file", name));
  }
  settings::Document merged;
  for (const std::filesystem::path& folder : folders) {
    const std::string path = (folder / (name + ".yml")).string();
    auto document = settings::load_yaml(path);
    if (!document && document.error().code() == Code::kNotFound) continue;
    if (!document) return document.error();
    std::move(document->warnings.begin(), document->warnings.end(), std::back_inserter(merged.warnings));
    if (document->root.is_null()) continue;
    if (document->root.type != settings::NodeType::kMap) {
      return Error(Code::kInvalid, fmt::format("{}: a list of keys and values is expected", document->root.place()));
    }
    if (merged.root.is_null()) {
      merged.root = std::move(document->root);
    } else {
      merge(merged.root, std::move(document->root));
    }
  }
  return merged;
}

}  // namespace dynflow::core
