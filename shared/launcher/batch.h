// The batch launcher, open for launchers of the same kind.
//
// Threads: as Launcher.
//
// Source: theforeman/smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/task_launcher/batch.rb. Other than there, the children are
// stored together with the parent, before the answer, which names each of them.
#pragma once

#include <string>
#include <vector>

#include "shared/launcher/entry.h"
#include "shared/launcher/launcher.h"

namespace dynflow::launcher {

class BatchLauncher : public Launcher {
 public:
  explicit BatchLauncher(std::string action_class_override = {}) : action_class_override_(std::move(action_class_override)) {}

  std::string_view class_name() const override { return "Proxy::Dynflow::TaskLauncher::Batch"; }
  Result<Json> launch(engine::World& world, const Json& input, const Json& options, const LaunchContext& context) final;

 protected:
  virtual std::string_view parent_class() const;
  // The plans to make out of entries that were never launched before: one for each, with its id, in order, and whatever belongs to
  // them behind. Caller ids are filled in.
  virtual std::vector<engine::PlanRequest> requests(std::vector<Entry> entries, const LaunchContext& context) const;

 private:
  struct Known;

  Result<Json> launch_fresh(engine::World& world, std::vector<Entry> fresh, const Json& options, const LaunchContext& context,
                            Json answer) const;

  std::string action_class_override_;
};

}  // namespace dynflow::launcher
