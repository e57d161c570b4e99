#include "shared/persistence/postgres/server_url.h"

#include <libpq-fe.h>

#include <memory>

namespace dynflow::persistence::postgres {
namespace {

Error refused(std::string_view why) {
  return Error(Code::kInvalid, "the URL of the PostgreSQL database is not understood: " + std::string(why));
}

// A character of a password that should have been escaped ends up in one of these.
bool is_host_list(std::string_view hosts) { return hosts.find_first_of("@?#") == std::string_view::npos; }
bool is_port_list(std::string_view ports) { return ports.find_first_not_of("0123456789,") == std::string_view::npos; }

}  // namespace

Result<ServerUrl> ServerUrl::parse(std::string_view text) {
  ServerUrl url;
  url.text_ = text;
  if (!text.starts_with("postgresql://") && !text.starts_with("postgres://")) {
    return refused("it does not begin with postgresql://");
  }
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options(PQconninfoParse(url.text_.c_str(), &message),
                                                                               PQconninfoFree);
  // What libpq says about it quotes parts of the text.
  if (message != nullptr) PQfreemem(message);
  if (!options) return refused("reserved characters of names and passwords are written %XX");
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    const std::string_view keyword = option->keyword;
    if (keyword == "password") url.password_ = option->val;
    if (keyword == "port" && !is_port_list(option->val)) return refused("its port is no number");
    if (keyword == "host" && !is_host_list(option->val)) {
      return refused("reserved characters of names and passwords are written %XX");
    }
  }
  return url;
}

std::string ServerUrl::without_password(std::string message) const {
  if (password_.empty()) return message;
  for (auto found = message.find(password_); found != std::string::npos; found = message.find(password_, found)) {
    message.replace(found, password_.size(), "***");
    found += 3;
  }
  return message;
}

}  // namespace dynflow::persistence::postgres
