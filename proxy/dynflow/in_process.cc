#include "proxy/dynflow/in_process.h"

namespace dynflow::proxy {

InProcess::InProcess(std::unique_ptr<core::Core> core, std::shared_ptr<const Authorization> authorization)
    : core_(std::move(core)), authorization_(std::move(authorization)) {}

http::Response InProcess::handle(http::Request& request, std::string_view path) {
  return core_->handle(request, path,
                       [&](const http::Request& asking) { return authorization_->refusal(asking, path); });
}

}  // namespace dynflow::proxy
