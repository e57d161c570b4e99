#include "proxy/dynflow/in_process.h"

#include "proxy/dynflow/side_questions.h"

namespace dynflow::proxy {

InProcess::InProcess(std::unique_ptr<core::Core> core, std::shared_ptr<const Authorization> authorization)
    : core_(std::move(core)), authorization_(std::move(authorization)) {}

http::Response InProcess::handle(http::Request& request, std::string_view path) {
  return core_->handle(request, path,
                       [&](const http::Request& asking) { return authorization_->refusal(asking, path); });
}

http::Response InProcess::answer(http::Request& request, std::string_view path, std::string_view mount) {
  // What the core shows as links begins there, as behind a relay.
  if (mount != kMount) request.headers.set("X-Forwarded-Prefix", std::string(mount));
  return core_->handle(request, path, [](const http::Request&) { return nullptr; });
}

std::string InProcess::metrics() {
  http::Request request = question("GET", "/metrics", "", Deadline::after(std::chrono::seconds(5)));
  http::Response response = core_->handle(request, "/metrics", [](const http::Request&) { return nullptr; });
  return response.status == 200 ? std::move(response.body) : std::string();
}

}  // namespace dynflow::proxy
