// The routes below /ssh that Foreman asks for keys: what hosts have to trust.
// (smart_proxy_remote_execution_ssh v1.0.1, lib/smart_proxy_remote_execution_ssh/api.rb.)
//
//   GET /ssh/pubkey      the public key beside :ssh_identity_key_file:, as text
//   GET /ssh/ca_pubkey   the file of :ssh_user_ca_public_key_file:; an empty answer when none is set
//
// Both are open to everybody, as upstream's: public keys are no secret. The files are read at each request, so that a new key
// needs no restart. The rows `script` and `ssh` of the feature documents are those of the core that runs the scripts.
//
// Threads: as Module.
#pragma once

#include <string>

#include "proxy/host/module.h"
#include "shared/settings/module.h"

namespace dynflow::proxy {

struct ScriptOptions {
  settings::Enabled enabled;
  std::string public_key_file;
  std::string ca_public_key_file;  // empty: none
};

class ScriptModule final : public Module {
 public:
  explicit ScriptModule(ScriptOptions options) : options_(std::move(options)) {}

  std::string_view mount() const override { return "/ssh"; }
  Status start() override { return {}; }
  void stop(Deadline) override {}
  void interrupt() override {}
  std::vector<Feature> features() const override { return {}; }
  bool serves(bool is_tls) const override { return is_tls ? options_.enabled.https : options_.enabled.http; }
  http::Response handle(http::Request& request) override;

 private:
  const ScriptOptions options_;
};

}  // namespace dynflow::proxy
