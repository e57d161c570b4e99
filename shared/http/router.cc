#include "shared/http/router.h"

#include <algorithm>

#include "shared/http/message.h"

namespace dynflow::http {
namespace {

// "/a//b/" -> "a", "", "b", and a slash at the end. "/" is no segment and no slash at the end.
struct Split {
  std::vector<std::string_view> parts;
  bool has_slash = false;
};

Split split(std::string_view path) {
  Split result;
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    result.parts.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
    result.has_slash = path.empty();
  }
  return result;
}

// Decoding allocates, and almost no segment needs it.
bool equals_decoded(std::string_view part, std::string_view literal) {
  return part.find('%') == std::string_view::npos ? part == literal : percent_decode(part) == literal;
}

}  // namespace

std::string_view Router::Params::get(std::string_view name) const {
  for (const auto& [own, value] : values_) {
    if (own == name) return value;
  }
  return {};
}

std::size_t Router::add(std::string method, std::string_view pattern, bool slash_is_optional) {
  const Split parts = split(pattern);
  Route route{std::move(method), {}, parts.has_slash, slash_is_optional};
  for (const std::string_view part : parts.parts) {
    const auto kind = part.substr(0, 1) == ":"   ? Segment::Kind::kParameter
                      : part.substr(0, 1) == "*" ? Segment::Kind::kRest
                                                 : Segment::Kind::kLiteral;
    route.segments.push_back({kind, std::string(kind == Segment::Kind::kLiteral ? part : part.substr(1))});
  }
  routes_.push_back(std::move(route));
  return routes_.size() - 1;
}

std::optional<Router::Params> Router::match_route(const Route& route, const std::vector<std::string_view>& parts,
                                                  bool has_slash, std::string_view path) {
  Params params;
  for (std::size_t i = 0; i < route.segments.size(); ++i) {
    const Segment& segment = route.segments[i];
    if (segment.kind == Segment::Kind::kRest) {
      const std::string_view rest =
          i < parts.size() ? path.substr(static_cast<std::size_t>(parts[i].data() - path.data())) : std::string_view();
      params.values_.emplace_back(segment.text, percent_decode(rest));
      return params;
    }
    if (i >= parts.size()) return std::nullopt;
    if (segment.kind == Segment::Kind::kLiteral) {
      if (!equals_decoded(parts[i], segment.text)) return std::nullopt;
      continue;
    }
    if (parts[i].empty()) return std::nullopt;
    params.values_.emplace_back(segment.text, percent_decode(parts[i]));
  }
  if (parts.size() != route.segments.size()) return std::nullopt;
  if (has_slash != route.has_slash && !route.slash_is_optional) return std::nullopt;
  return params;
}

std::optional<Router::Match> Router::match_exactly(std::string_view method, std::string_view path) const {
  const Split split_path = split(path);
  std::optional<Match> best;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    if (routes_[i].method != method) continue;
    auto params = match_route(routes_[i], split_path.parts, split_path.has_slash, path);
    if (!params) continue;
    // The first segment in which two routes differ in kind decides, the more literal one wins.
    const auto less_literal = [](const Segment& a, const Segment& b) { return a.kind < b.kind; };
    if (best && !std::lexicographical_compare(routes_[i].segments.begin(), routes_[i].segments.end(),
                                              routes_[best->route].segments.begin(),
                                              routes_[best->route].segments.end(), less_literal)) {
      continue;
    }
    best = Match{i, std::move(*params)};
  }
  return best;
}

std::optional<Router::Match> Router::match(std::string_view method, std::string_view path) const {
  auto found = match_exactly(method, path);
  if (!found && method == "HEAD") found = match_exactly("GET", path);
  return found;
}

std::vector<std::string> Router::methods_for(std::string_view path) const {
  const Split split_path = split(path);
  std::vector<std::string> methods;
  for (const Route& route : routes_) {
    if (!match_route(route, split_path.parts, split_path.has_slash, path)) continue;
    if (std::find(methods.begin(), methods.end(), route.method) == methods.end()) methods.push_back(route.method);
  }
  return methods;
}

}  // namespace dynflow::http
