#include "shared/launcher/entry.h"
#include "shared/launcher/launcher.h"

namespace dynflow::launcher {
namespace {

class SingleLauncher final : public Launcher {
 public:
  std::string_view class_name() const override { return "Proxy::Dynflow::TaskLauncher::Single"; }

  Result<Json> launch(engine::World& world, const Json& input, const Json&, const LaunchContext& context) override {
    auto planned = launch_one(world, input, context);
    if (!planned) return planned.error();
    if (planned->error) return failure_answer(*planned->error);
    return Json{{"result", "success"}, {"task_id", planned->plan_id}};
  }
};

}  // namespace

std::shared_ptr<Launcher> make_single_launcher() { return std::make_shared<SingleLauncher>(); }

Result<engine::Planned> launch_one(engine::World& world, const Json& entry, const LaunchContext& context) {
  auto parsed = parse_entry({}, entry, {}, context);
  if (!parsed) return parsed.error();
  Json input = parsed->input;
  std::vector<engine::PlanRequest> requests;
  requests.push_back(to_request(std::move(*parsed), context));
  auto planned = world.trigger(std::move(requests));
  if (!planned) return refused_by_world(planned.error());
  engine::Planned& one = planned->front();
  if (one.error) {
    if (Status written = explain_failures(world, {{one.plan_id, std::move(input), *one.error}}, context); !written) {
      return written.error();
    }
  }
  return std::move(one);
}

}  // namespace dynflow::launcher
