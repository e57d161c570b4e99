#include "shared/engine/flow.h"

#include <algorithm>
#include <limits>

#include "shared/json/json.h"

namespace dynflow::engine {

void DependencyGraph::add(int step_id, int required_step_id) {
  auto& required = required_[step_id];
  if (std::find(required.begin(), required.end(), required_step_id) == required.end()) {
    required.push_back(required_step_id);
  }
}

std::vector<int> DependencyGraph::required_by(int step_id) const {
  const auto found = required_.find(step_id);
  if (found == required_.end()) return {};
  return found->second;
}

void DependencyGraph::mark_satisfied(int step_id, int required_step_id) {
  const auto found = required_.find(step_id);
  if (found == required_.end()) return;
  auto& required = found->second;
  required.erase(std::remove(required.begin(), required.end(), required_step_id), required.end());
  if (required.empty()) required_.erase(found);
}

std::string DependencyGraph::unresolved_text() const {
  std::string text;
  for (const auto& [step_id, required] : required_) {
    if (!text.empty()) text += "; ";
    text += std::to_string(step_id) + " requires ";
    const char* separator = "";
    for (const int id : required) {
      text += separator + std::to_string(id);
      separator = ", ";
    }
  }
  return text;
}

Flow Flow::step(int id) {
  Flow flow(Kind::kStep);
  flow.step_id_ = id;
  return flow;
}

bool Flow::contains(int step_id) const {
  if (kind_ == Kind::kStep) return step_id_ == step_id;
  return std::any_of(parts_.begin(), parts_.end(), [step_id](const Flow& part) { return part.contains(step_id); });
}

std::vector<int> Flow::step_ids() const {
  std::vector<int> ids;
  collect_step_ids(ids);
  return ids;
}

void Flow::collect_step_ids(std::vector<int>& ids) const {
  if (kind_ == Kind::kStep) ids.push_back(step_id_);
  for (const Flow& part : parts_) part.collect_step_ids(ids);
}

void Flow::append_flat(Flow part) {
  while (part.kind_ != Kind::kStep && part.parts_.size() == 1) {
    Flow only = std::move(part.parts_.front());
    part = std::move(only);
  }
  if (part.kind_ == kind_) {
    std::move(part.parts_.begin(), part.parts_.end(), std::back_inserter(parts_));
  } else {
    parts_.push_back(std::move(part));
  }
}

// flows/abstract_composed.rb:38-86, flows/concurrence.rb:13-21, flows/sequence.rb:11-16. Upstream flattens the whole flow
// after each addition; here both sides are flat already, so that a plan of 10,000 steps is not built in quadratic time.
void Flow::add_and_resolve(DependencyGraph& dependencies, Flow part) {
  if (part.is_empty()) return;
  std::vector<std::size_t> satisfying;  // in the order they were found: they stand in that order
  for (const int step_id : part.step_ids()) {
    for (const int required : dependencies.required_by(step_id)) {
      const auto found = std::find_if(parts_.begin(), parts_.end(),
                                      [required](const Flow& candidate) { return candidate.contains(required); });
      if (found == parts_.end()) continue;
      const auto index = static_cast<std::size_t>(found - parts_.begin());
      if (std::find(satisfying.begin(), satisfying.end(), index) == satisfying.end()) satisfying.push_back(index);
      dependencies.mark_satisfied(step_id, required);
    }
  }
  if (kind_ == Kind::kSequence || satisfying.empty()) return append_flat(std::move(part));

  Flow before = concurrence();
  for (const std::size_t index : satisfying) before.append_flat(std::move(parts_[index]));
  std::sort(satisfying.begin(), satisfying.end());
  std::vector<Flow> others;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (!std::binary_search(satisfying.begin(), satisfying.end(), i)) others.push_back(std::move(parts_[i]));
  }
  parts_ = std::move(others);
  Flow ordered = sequence();
  ordered.append_flat(std::move(before));
  ordered.append_flat(std::move(part));
  append_flat(std::move(ordered));
}

Flow Flow::without_needless_root() && {
  if (kind_ == Kind::kStep || parts_.size() != 1) return std::move(*this);
  Flow only = std::move(parts_.front());
  return only;
}

std::string Flow::to_json() const {
  std::string out;
  write_to(out);
  return out;
}

void Flow::write_to(std::string& out) const {
  if (kind_ == Kind::kStep) {
    out += std::to_string(step_id_);
    return;
  }
  out += kind_ == Kind::kSequence ? R"(["S")" : R"(["C")";
  for (const Flow& part : parts_) {
    out += ',';
    part.write_to(out);
  }
  out += ']';
}

Result<Flow> Flow::parse(std::string_view json_text) {
  auto json = json::parse(json_text);
  if (!json.ok()) return Error(Code::kCorrupt, "flow: " + json.error().message());
  return from_json(*json);
}

Result<Flow> Flow::from_json(const Json& json) {
  const auto step_of = [](const Json& number) -> Result<Flow> {
    const auto id = number.is_number_integer() ? number.get<std::int64_t>() : 0;
    if (id < 1 || id > std::numeric_limits<int>::max()) return Error(Code::kCorrupt, "flow: bad step id");
    return step(static_cast<int>(id));
  };
  if (json.is_number()) return step_of(json);

  const Json* parts = &json;
  std::size_t first = 0;
  std::string kind;
  if (json.is_array()) {
    if (json.empty() || !json[0].is_string()) return Error(Code::kCorrupt, "flow: array without a letter");
    kind = json[0].get<std::string>();
    first = 1;
  } else {
    const std::string name = json::get_string(json, "class");
    if (name == "Dynflow::Flows::Atom") {
      const Json* id = json::find(json, "step_id");
      return id ? step_of(*id) : Result<Flow>(Error(Code::kCorrupt, "flow: atom without step_id"));
    }
    kind = name == "Dynflow::Flows::Sequence" ? "S" : name == "Dynflow::Flows::Concurrence" ? "C" : name;
    parts = json::find(json, "flows");
    if (!parts || !parts->is_array()) return Error(Code::kCorrupt, "flow: no array of flows");
  }
  if (kind != "S" && kind != "C") return Error(Code::kCorrupt, "flow: unknown identifier '" + kind + "'");
  Flow flow(kind == "S" ? Kind::kSequence : Kind::kConcurrence);
  for (std::size_t i = first; i < parts->size(); ++i) {
    auto part = from_json((*parts)[i]);
    if (!part.ok()) return part.error();
    flow.parts_.push_back(std::move(*part));
  }
  return flow;
}

}  // namespace dynflow::engine
