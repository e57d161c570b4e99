#include "shared/daemon/inherited_sockets.h"

#include <fmt/format.h>

#include <algorithm>

namespace dynflow::daemon {
namespace {

constexpr std::string_view kStored = "stored-";

struct Inherited {
  std::string name;
  net::ListeningSocket socket;
  bool takes_both = false;

  bool is_stored() const { return name.rfind(kStored, 0) == 0; }
  // What it is called in the unit or was stored as; empty when the name says nothing about the protocol.
  std::string kind() const {
    const std::string rest = is_stored() ? name.substr(kStored.size()) : name;
    const std::string word = is_stored() ? rest.substr(0, rest.find('-')) : rest;
    return word == "http" || word == "https" ? word : "";
  }
  bool listens_at(const net::Endpoint& at) const { return socket.bound.address == at.address && socket.bound.port == at.port; }
  bool covers(const net::Endpoint& at) const {
    return takes_both && socket.bound.address == "::" && at.address == "0.0.0.0" && socket.bound.port == at.port;
  }
};

class Pool {
 public:
  explicit Pool(std::vector<Inherited> sockets) : sockets_(std::move(sockets)) {}

  // What net::listen_on() asks for; what it takes is in taken() by index.
  std::optional<std::vector<net::ListeningSocket>> take(const net::Endpoint& at, const std::string& kind) {
    for (const net::Endpoint& covered : covered_) {
      if (covered.address == at.address && covered.port == at.port) return std::vector<net::ListeningSocket>();
    }
    const auto found = std::find_if(sockets_.begin(), sockets_.end(), [&](const Inherited& one) {
      return one.socket.fd && (one.listens_at(at) || one.covers(at));
    });
    if (found == sockets_.end()) return std::nullopt;
    if (!found->kind().empty() && found->kind() != kind && !problem_) {
      problem_ = Error(Code::kInvalid, fmt::format("the socket {} from the service manager is called {}, and the settings want {} there",
                                                   net::to_string(found->socket.bound), found->name, kind));
    }
    if (found->takes_both) covered_ = {{"0.0.0.0", at.port}, {"::", at.port}};
    std::vector<net::ListeningSocket> taken;
    taken.push_back(std::move(found->socket));
    return taken;
  }

  const std::optional<Error>& problem() const { return problem_; }
  const std::vector<Inherited>& sockets() const { return sockets_; }

 private:
  std::vector<Inherited> sockets_;  // those that were taken have no descriptor any more
  std::vector<net::Endpoint> covered_;
  std::optional<Error> problem_;
};

Result<std::vector<Inherited>> adopt(std::vector<NamedSocket> sockets) {
  std::vector<Inherited> adopted;
  for (NamedSocket& one : sockets) {
    auto socket = net::adopt_listener(std::move(one.fd));
    if (!socket) return socket.error().in(fmt::format("the socket \"{}\" from the service manager", one.name));
    const bool takes_both = net::takes_both_families(socket->fd.get());
    adopted.push_back({std::move(one.name), *std::move(socket), takes_both});
  }
  return adopted;
}

}  // namespace

std::string stored_name(std::string_view kind, const net::Endpoint& bound) {
  std::string name = fmt::format("{}{}-{}", kStored, kind, net::to_string(bound));
  std::replace(name.begin(), name.end(), ':', '_');  // the one character that a name must not have
  return name;
}

Result<OpenListeners> open_listeners(const std::vector<WantedListener>& wanted, std::vector<NamedSocket> inherited) {
  auto adopted = adopt(std::move(inherited));
  if (!adopted) return adopted.error();
  Pool pool(*std::move(adopted));
  OpenListeners open;
  for (const WantedListener& one : wanted) {
    std::vector<int> taken;
    auto sockets = net::listen_on(one.host, one.port, [&](const net::Endpoint& at) {
      auto there = pool.take(at, one.kind);
      if (there && !there->empty()) taken.push_back(there->front().fd.get());
      return there;
    });
    if (pool.problem()) return *pool.problem();
    if (!sockets) return sockets.error();
    for (net::ListeningSocket& socket : *sockets) {
      const bool is_inherited = std::find(taken.begin(), taken.end(), socket.fd.get()) != taken.end();
      std::string name = stored_name(one.kind, socket.bound);
      open.sockets.push_back({one.kind, std::move(socket), std::move(name), is_inherited});
    }
  }
  for (const Inherited& left : pool.sockets()) {
    if (!left.socket.fd) continue;
    if (!left.is_stored()) {
      return Error(Code::kInvalid, fmt::format("the service manager passes the socket {} ({}), which the settings do not want: "
                                               "make the socket unit and the settings agree",
                                               net::to_string(left.socket.bound), left.name));
    }
    open.stale.push_back(left.name);
  }
  return open;
}

}  // namespace dynflow::daemon
