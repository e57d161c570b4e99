// Protects buttons from pages of other sites: a browser sends the user's certificate with whatever form any page makes it send.
//
// A form holds a token that only our own pages show. It is bound to the client certificate, or, where there is none, to a cookie; it is made
// with a key of this process, and gets old. Besides, what browsers say about where a request comes from must be us (shared/http/site_guard.h).
//
// Threads: all methods may be called from any thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "shared/base/clock.h"
#include "shared/base/secret.h"
#include "shared/http/message.h"

namespace dynflow::api::console {

class FormGuard {
 public:
  static constexpr std::chrono::hours kTokenAge{12};

  explicit FormGuard(const Clock& clock = system_clock());

  struct Ticket {
    std::string token;       // for the forms of a page
    std::string set_cookie;  // the field that the page needs; empty: none
  };
  Ticket ticket(const http::Request& request) const;

  // Why a request must not change anything, as a text for its sender; nothing when it may. `token`: that of its form; empty for requests
  // with a type that no form can have (application/json): a browser asks us before it sends one for another site, and we do not allow it.
  // Behind the relay of the Ruby proxy, which gives every request that type, the token is needed all the same.
  std::optional<std::string> objection(const http::Request& request, std::string_view token) const;

 private:
  std::string sign(std::string_view session, std::string_view time) const;
  bool is_genuine(std::string_view token, std::string_view session) const;

  const Clock& clock_;
  const Secret key_;
};

}  // namespace dynflow::api::console
