// The core inside the proxy's process.
//
// Threads: as Backend.
#pragma once

#include <memory>

#include "proxy/dynflow/backend.h"
#include "proxy/host/authorization.h"

namespace dynflow::proxy {

class InProcess final : public Backend {
 public:
  InProcess(std::unique_ptr<core::Core> core, std::shared_ptr<const Authorization> authorization);

  Status start() override { return core_->start(); }
  void stop(Deadline deadline) override { core_->stop(deadline); }
  // Nothing in here waits for anybody outside.
  void interrupt() override {}
  http::Response handle(http::Request& request, std::string_view path) override;
  http::Response answer(http::Request& request, std::string_view path, std::string_view mount) override;
  std::string metrics() override;
  std::vector<std::string> operations() const override { return core_->operations(); }
  std::vector<core::FeatureInfo> features() const override { return core_->features(); }
  std::vector<core::FailedPlugin> failed_plugins() const override { return core_->failed_plugins(); }

 private:
  std::unique_ptr<core::Core> core_;
  std::shared_ptr<const Authorization> authorization_;  // owners: the host and its modules
};

}  // namespace dynflow::proxy
