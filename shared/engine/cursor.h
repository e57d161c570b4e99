// Walks a flow: says which steps may run, and takes their ends.
//
// A failed step ends its sequence, and every sequence around it once the branches beside it have come to an end; branches
// beside it run on.
//
// Threads: used on one strand.
//
// Source: Dynflow 2.0.0, lib/dynflow/director/{flow_manager,sequence_cursor}.rb.
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "shared/engine/flow.h"

namespace dynflow::engine {

class Cursor {
 public:
  // `is_finished` says which steps need no run any more; asked when the cursor reaches them.
  Cursor(const Flow& flow, std::function<bool(int step_id)> is_finished);

  // The first steps to run. Once.
  std::vector<int> start();
  // A step that was handed out has ended. The steps that may run now.
  std::vector<int> step_ended(int step_id, bool succeeded);

  bool is_done() const { return is_done_; }
  // Of a cursor that is done: no step has failed.
  bool succeeded() const { return succeeded_; }

 private:
  struct Node {
    Flow::Kind kind = Flow::Kind::kSequence;
    int step_id = 0;
    int parent = -1;
    std::vector<int> parts;
    std::size_t next = 0;  // sequence: the part to enter next
    std::size_t open = 0;  // concurrence: parts that have not ended
    bool has_failed = false;
  };

  int add(const Flow& flow, int parent);
  // Enters a node; true when it ended at once.
  bool enter(int node, std::vector<int>& ready);
  void ended(int node, bool succeeded, std::vector<int>& ready);

  std::function<bool(int)> is_finished_;
  std::vector<Node> nodes_;
  std::unordered_map<int, int> node_of_step_;
  bool is_done_ = false;
  bool succeeded_ = false;
};

}  // namespace dynflow::engine
