// Output of all runners that the store has not written yet. The jobs keep it small by holding back those who say the most.
//
// Threads: the loop thread.
#pragma once

#include <cstddef>
#include <functional>

namespace dynflow::runner {

struct OutputBacklog {
  std::size_t bytes = 0;
  // From any thread: runs the task on the loop thread; without effect once the loop is gone.
  std::function<void(std::function<void()> task)> post;
};

}  // namespace dynflow::runner
