#include "proxy/host/host_names.h"

#include "shared/base/deadline.h"
#include "shared/net/resolver.h"

namespace dynflow::proxy {
namespace {

class SystemHostNames final : public HostNames {
 public:
  explicit SystemHostNames(Duration limit) : limit_(limit) {}

  Result<std::string> name_of(const std::string& address) const override {
    return resolver_.name_of(address, Deadline::after(limit_));
  }

  Result<std::vector<std::string>> addresses_of(const std::string& name) const override {
    const auto found = resolver_.addresses_of(name, 0, Deadline::after(limit_));
    if (!found) return found.error();
    std::vector<std::string> addresses;
    for (const net::Endpoint& endpoint : *found) addresses.push_back(endpoint.address);
    return addresses;
  }

 private:
  const Duration limit_;
  mutable net::Resolver resolver_{4};  // safe from any thread
};

}  // namespace

std::unique_ptr<HostNames> system_host_names(Duration limit) { return std::make_unique<SystemHostNames>(limit); }

}  // namespace dynflow::proxy
