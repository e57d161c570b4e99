// Walks the steps of a run flow: says which may run, and takes their ends.
//
// A step may run when all that it waits for has ended well. What comes behind a failed step does not run; everything else does, and
// then the walk is done.
//
// Threads: used on one strand.
//
// Source: Dynflow 2.0.0, lib/dynflow/director/{flow_manager,sequence_cursor}.rb.
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "shared/engine/step_order.h"

namespace dynflow::engine {

class Cursor {
 public:
  // Follows the flow. `is_finished` says which steps need no run any more; asked when the cursor reaches them.
  Cursor(const Flow& flow, std::function<bool(int step_id)> is_finished);
  // The steps of the flow by an order of their own. `order` names only such steps and has no circles.
  Cursor(const Flow& flow, const StepOrder& order, std::function<bool(int step_id)> is_finished);

  // The first steps to run. Once.
  std::vector<int> start();
  // A step that was handed out has ended. The steps that may run now.
  std::vector<int> step_ended(int step_id, bool succeeded);

  bool is_done() const { return is_done_; }
  // Of a cursor that is done: no step has failed.
  bool succeeded() const { return is_done_ && !has_failed_; }

 private:
  struct Node {
    int step_id = 0;         // 0: a point where several wait for several
    std::vector<int> next;   // nodes that wait for this one
    int waits_for = 0;       // nodes that have not ended well yet
  };

  int add_node(int step_id);
  void link(int before, int after);
  // Adds a flow behind the nodes `before`. The nodes that what follows has to wait for.
  std::vector<int> add(const Flow& flow, std::vector<int> before);
  // These nodes wait for nothing any more. The steps among them, and behind those that are finished, that may run.
  std::vector<int> reach(std::vector<int> nodes);

  std::function<bool(int)> is_finished_;
  std::vector<Node> nodes_;
  std::unordered_map<int, int> node_of_step_;
  int open_ = 0;  // steps handed out that have not ended
  bool has_failed_ = false;
  bool is_done_ = false;
};

}  // namespace dynflow::engine
