#include "shared/core/key_file_secrets.h"

#include <utility>

#include "shared/base/wiped_memory.h"
#include "shared/json/json.h"
#include "shared/net/sealer.h"

namespace dynflow::core {
namespace {

class KeyFileSecrets final : public engine::SecretKeeper {
 public:
  explicit KeyFileSecrets(net::Sealer sealer) : sealer_(std::move(sealer)) {}

  Result<std::string> seal(const std::string& plan_id, const Json& secrets) const override {
    std::string text = json::dump(secrets);
    auto sealed = sealer_.seal(text, plan_id);
    wipe(text);
    return sealed;
  }

  Result<Json> open(const std::string& plan_id, std::string_view sealed) const override {
    const auto text = sealer_.open(sealed, plan_id);
    if (!text.ok()) return text.error();
    return json::parse(text->reveal());
  }

 private:
  const net::Sealer sealer_;
};

}  // namespace

Result<std::unique_ptr<engine::SecretKeeper>> make_key_file_secrets(const std::string& path) {
  auto sealer = net::Sealer::from_file(path);
  if (!sealer.ok()) return sealer.error();
  return std::unique_ptr<engine::SecretKeeper>(std::make_unique<KeyFileSecrets>(std::move(*sealer)));
}

}  // namespace dynflow::core
