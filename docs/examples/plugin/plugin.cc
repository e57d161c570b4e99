// What the core finds in example.so: two actions and the operation "example" that launches them.
#include <string>

#include "shared/plugin/define_plugin.h"
#include "wait_for_file.h"
#include "wait_for_files.h"

namespace example {

dynflow::Status register_all(dynflow::plugin::Context& context) {
  dynflow::engine::ActionClass one = dynflow::engine::polling_class(std::string(kWaitForFile), &make_wait_for_file);
  one.has_finalize = true;
  if (dynflow::Status added = context.actions.add(std::move(one)); !added) return added;

  auto many = dynflow::engine::sub_plans_class(std::string(kWaitForFiles), &make_wait_for_files);
  if (dynflow::Status added = context.actions.add(std::move(many)); !added) return added;

  if (dynflow::Status added = context.launchers.add("example", dynflow::launcher::make_batch_launcher()); !added) return added;
  context.features.push_back({"example", "1.0.0", {}});
  return {};
}

}  // namespace example

DYNFLOW_DEFINE_PLUGIN("example", "1.0.0", example::register_all)
