#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/plugin/build_id.h"
#include "shared/plugin/context.h"
#include "shared/plugin/plugin_api.h"
#include "tests/support/peer_ops/actions.h"
#include "tests/support/peer_ops/record.h"

namespace dynflow::peer_ops {
namespace {

template <class A, class... Args>
engine::ActionClass describe(std::string name, Args&... args) {
  engine::ActionClass described;
  described.name = std::move(name);
  described.has_run = true;
  described.make = [&args...] { return std::make_unique<A>(args...); };
  return described;
}

engine::ActionClass with_events(engine::ActionClass described) {
  described.has_finalize = true;
  described.takes_events = true;
  described.is_cancellable = true;
  return described;
}

Status register_all(plugin::Context& context) {
  auto noop = describe<Noop>("PeerOps::Noop");
  noop.is_pure = true;
  auto collect = describe<Collect>("PeerOps::Collect");
  collect.takes_events = true;
  collect.is_cancellable = true;
  auto script = with_events(describe<LocalScript>("PeerOps::LocalScript", context.dispatcher));
  script.acts_when_stored = true;
  std::vector<engine::ActionClass> classes = {
      std::move(noop), std::move(collect), describe<Boom>("PeerOps::Boom"), describe<Record>("PeerOps::Record"),
      describe<RecordOrFail>("PeerOps::RecordOrFail"),
      std::move(script),
      with_events(describe<OtpRunner>("PeerOps::OtpRunner", context.passwords))};
  for (engine::ActionClass& described : classes) {
    if (Status added = context.actions.add(std::move(described)); !added) return added;
  }
  if (Status added = context.launchers.add("batch", launcher::make_batch_launcher()); !added) return added;
  context.features.push_back({"peerops", "0.0.1", {}});
  return {};
}

int init(const dynflow_host_api* host, dynflow_text* error) {
  static std::string why;  // the receiver reads it after we returned
  const Status done = register_all(*static_cast<plugin::Context*>(host->cxx));
  if (done) return 0;
  why = done.error().message();
  *error = {why.data(), why.size()};
  return 1;
}

constexpr dynflow_text as_text(std::string_view text) { return {text.data(), text.size()}; }

constexpr dynflow_plugin_api kApi = {
    DYNFLOW_PLUGIN_ABI, sizeof(dynflow_plugin_api), as_text("peer_ops"), as_text("0.0.1"), as_text(plugin::kBuildId),
    &init,              nullptr,
};

}  // namespace
}  // namespace dynflow::peer_ops

extern "C" __attribute__((visibility("default"))) const dynflow_plugin_api* dynflow_plugin_v1() {
  return &dynflow::peer_ops::kApi;
}
