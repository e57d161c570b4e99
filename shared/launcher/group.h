// The base of launchers with one runner behind a whole batch (Ansible): a plan for each entry that collects its output, and one more
// plan that runs them all.
//
// The collectors get {"name","callback","runner_id"} of their entry; the runner gets "targets", by id
// {"execution_plan_id","run_step_id","input"}, and the same "runner_id", so that it can send output and ends to the collectors.
// Secrets go to the runner only: {"<id>": secrets of that entry}.
//
// Threads: as Launcher.
//
// Source: theforeman/smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/task_launcher/group.rb. Other than there, each collector keeps
// its callback: the outbox sends many in one request anyway.
#pragma once

#include <string>
#include <vector>

#include "shared/launcher/batch.h"

namespace dynflow::launcher {

class GroupLauncher : public BatchLauncher {
 public:
  GroupLauncher() = default;

 protected:
  virtual std::string collector_class() const { return "Proxy::Dynflow::Action::OutputCollector"; }
  virtual std::string runner_class() const { return "Proxy::Dynflow::Action::BatchRunner"; }
  // The run step of a collector in its plan.
  virtual int collector_step() const { return 2; }

  std::string_view parent_class() const override;
  std::vector<engine::PlanRequest> requests(std::vector<Entry> entries, const LaunchContext& context) const override;
};

}  // namespace dynflow::launcher
