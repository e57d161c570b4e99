#include "proxy/dynflow/task_token.h"

#include "shared/base/base64.h"

namespace dynflow::proxy {
namespace {

// The id in /tasks/<id>/update or /tasks/<id>/done; empty when the target is neither.
std::string_view task_of(std::string_view target) {
  constexpr std::string_view kPrefix = "/tasks/";
  target = target.substr(0, target.find('?'));
  if (target.substr(0, kPrefix.size()) != kPrefix) return {};
  target.remove_prefix(kPrefix.size());
  const auto slash = target.find('/');
  if (slash == std::string_view::npos) return {};
  const std::string_view action = target.substr(slash + 1);
  if (action != "update" && action != "done") return {};
  const std::string_view id = target.substr(0, slash);
  if (id.find('%') != std::string_view::npos || id == "." || id == "..") return {};
  return id;
}

bool has_scheme_basic(std::string_view field) {
  constexpr std::string_view kScheme = "basic ";
  if (field.size() < kScheme.size()) return false;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    if ((field[i] | 0x20) != kScheme[i]) return false;
  }
  return true;
}

}  // namespace

TokenVerdict judge_token(const http::Request& request, std::string_view core_target) {
  if (request.method != "POST") return TokenVerdict::kNotOffered;
  const std::string_view id = task_of(core_target);
  const auto field = request.headers.get("Authorization");
  if (id.empty() || !field) return TokenVerdict::kNotOffered;

  if (!has_scheme_basic(*field)) return TokenVerdict::kHopeless;
  std::string_view encoded = field->substr(6);
  while (!encoded.empty() && encoded.front() == ' ') encoded.remove_prefix(1);
  const auto decoded = base64_decode(encoded);
  if (!decoded) return TokenVerdict::kHopeless;
  const auto colon = decoded->find(':');
  if (colon == std::string::npos || std::string_view(*decoded).substr(0, colon) != id) return TokenVerdict::kHopeless;
  // Ruby's split drops empty parts at the end: "id::" has no password either.
  if (decoded->find_first_not_of(':', colon) == std::string::npos) return TokenVerdict::kHopeless;
  return TokenVerdict::kPlausible;
}

std::unique_ptr<http::Response> refusal_at_the_front(const Authorization& authorization, const http::Request& request,
                                                     std::string_view path, std::string_view core_target) {
  switch (judge_token(request, core_target)) {
    case TokenVerdict::kPlausible: return nullptr;  // the core compares it
    case TokenVerdict::kHopeless: return std::make_unique<http::Response>(token_refusal());
    case TokenVerdict::kNotOffered: break;
  }
  return authorization.refusal(request, path);
}

http::Response token_refusal() { return http::error_response(403, "Invalid username or password supplied"); }

}  // namespace dynflow::proxy
