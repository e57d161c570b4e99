// The order of a plan's steps: a tree of sequences and concurrences over step ids.
//
//   Flow::step(3)                                     3
//   Flow::sequence(), 3 and 5 added                   ["S",3,5]
//
// Threads: values.
//
// Source: Dynflow 2.0.0, lib/dynflow/flows/*.rb; golden trees in tests/unit/shared/engine/flow_test.cc.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/json/json_fwd.h"

namespace dynflow::engine {

// Which steps a step still waits to be ordered behind: filled when a step is planned, emptied as flows are composed.
class DependencyGraph {
 public:
  void add(int step_id, int required_step_id);
  // The steps that `step_id` requires and that no flow has put before it yet.
  std::vector<int> required_by(int step_id) const;
  void mark_satisfied(int step_id, int required_step_id);
  bool is_resolved() const { return required_.empty(); }
  // "5 requires 3, 4": for the error text.
  std::string unresolved_text() const;

 private:
  std::map<int, std::vector<int>> required_;  // in the order of add()
};

class Flow {
 public:
  enum class Kind { kStep, kSequence, kConcurrence };

  static Flow step(int id);
  static Flow sequence() { return Flow(Kind::kSequence); }
  static Flow concurrence() { return Flow(Kind::kConcurrence); }
  // The array form, or the objects that Dynflow wrote before 1.5. Errors: kCorrupt.
  static Result<Flow> parse(std::string_view json_text);

  Kind kind() const { return kind_; }
  int step_id() const { return step_id_; }
  const std::vector<Flow>& parts() const { return parts_; }
  bool is_empty() const { return kind_ != Kind::kStep && parts_.empty(); }
  bool contains(int step_id) const;
  std::vector<int> step_ids() const;

  // Adds a part and puts it behind the parts it depends on. This flow and `part` must be flat, and stay so: no sequence
  // directly in a sequence, no concurrence in a concurrence, no composition of one. Cost: the size of `part`, plus that
  // of this flow when there are dependencies.
  void add_and_resolve(DependencyGraph& dependencies, Flow part);
  // Adds a part as it is.
  void append(Flow part) { parts_.push_back(std::move(part)); }
  // What stands in documents for the top of a run flow: the part itself when there is only one.
  Flow without_needless_root() &&;

  // The array form: ["C",["S",3,5],7], or a bare number.
  std::string to_json() const;

  friend bool operator==(const Flow& a, const Flow& b) {
    return a.kind_ == b.kind_ && a.step_id_ == b.step_id_ && a.parts_ == b.parts_;
  }

 private:
  explicit Flow(Kind kind) : kind_(kind) {}
  static Result<Flow> from_json(const Json& json);
  void collect_step_ids(std::vector<int>& ids) const;
  void append_flat(Flow part);
  void write_to(std::string& out) const;

  Kind kind_ = Kind::kSequence;
  int step_id_ = 0;  // of a step
  std::vector<Flow> parts_;
};

}  // namespace dynflow::engine
