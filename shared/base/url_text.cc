#include "shared/base/url_text.h"

#include <algorithm>

namespace dynflow {

std::string without_credentials(std::string text) {
  constexpr std::string_view kHidden = "...";
  const auto scheme = text.find("://");
  if (scheme == std::string::npos) return text;
  const auto start = scheme + 3;
  if (const auto at = text.rfind('@'); at != std::string::npos && at >= start) text.replace(start, at - start, kHidden);
  for (auto query = text.find('?', start); query != std::string::npos; query = text.find('&', query + 1)) {
    const auto equals = text.find('=', query);
    if (equals == std::string::npos) break;
    const std::string_view name = std::string_view(text).substr(query + 1, equals - query - 1);
    if (!name.ends_with("password")) continue;  // also libpq's sslpassword
    text.replace(equals + 1, std::min(text.find('&', equals), text.size()) - equals - 1, kHidden);
  }
  return text;
}

}  // namespace dynflow
