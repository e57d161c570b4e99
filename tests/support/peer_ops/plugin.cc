#include <memory>
#include <string>

#include "shared/plugin/context.h"
#include "shared/plugin/plugin_api.h"
#include "tests/support/peer_ops/actions.h"

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

engine::ActionClass with_runner(engine::ActionClass described) {
  described.has_finalize = true;
  described.takes_events = true;
  described.is_cancellable = true;
  return described;
}

Status register_all(plugin::Context& context) {
  auto noop = describe<Noop>("PeerOps::Noop");
  noop.is_pure = true;
  for (engine::ActionClass& described : std::initializer_list<engine::ActionClass>{
           noop, describe<Boom>("PeerOps::Boom"),
           with_runner(describe<LocalScript>("PeerOps::LocalScript", context.dispatcher)),
           with_runner(describe<OtpRunner>("PeerOps::OtpRunner", context.dispatcher))}) {
    if (Status added = context.actions.add(described); !added) return added;
  }
  return context.launchers.add("batch", launcher::make_batch_launcher());
}

int init(const dynflow_host_api* host, dynflow_text* error) {
  static std::string why;
  const Status done = register_all(*static_cast<plugin::Context*>(host->cxx));
  if (done) return 0;
  why = done.error().message();
  *error = {why.data(), why.size()};
  return 1;
}

}  // namespace
}  // namespace dynflow::peer_ops
