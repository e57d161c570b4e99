// An action that can be cancelled: what cancelling means is up to it. It may end well, fail, or suspend again. Register it with
// takes_events and is_cancellable.
//
// Source: Dynflow 2.0.0, lib/dynflow/action/cancellable.rb.
#pragma once

#include "shared/engine/action.h"

namespace dynflow::engine {

class CancellableAction : public Action {
 public:
  void run(Running& running, const Event* event) final {
    if (event && event->name == kCancel) return cancel(running);
    if (event && event->name == kAbort) return abort(running);
    run_or_handle(running, event);
  }

 protected:
  // What run() is for other actions; never gets kCancel and kAbort.
  virtual void run_or_handle(Running& running, const Event* event) = 0;
  virtual void cancel(Running& running) = 0;
  // A cancel with force.
  virtual void abort(Running& running) { cancel(running); }
};

}  // namespace dynflow::engine
