// Routes by path segments, without regular expressions.
//
// Threads: add() before the first match(); match() from any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dynflow::http {

class Router {
 public:
  // What a pattern's parameters matched, percent-decoded: an encoded slash is part of a parameter, never a
  // separator. A bad escape stays as it is.
  class Params {
   public:
    // Empty when the pattern has no such parameter.
    std::string_view get(std::string_view name) const;
    std::size_t size() const { return values_.size(); }

   private:
    friend class Router;
    std::vector<std::pair<std::string_view, std::string>> values_;  // names are those of the router's patterns
  };

  struct Match {
    std::size_t route;  // what add() returned
    Params params;
  };

  // "/tasks/:id/status": literal segments (compared decoded) and parameters; a last segment "*name" takes the rest
  // of the path, slashes and all, also an empty one. Literal segments win over parameters, then the earlier route.
  // `slash_is_optional`: "/tasks/" is "/tasks". HEAD matches GET's routes, after routes of its own.
  std::size_t add(std::string method, std::string_view pattern, bool slash_is_optional = true);

  // `path` is the raw path of a target, still encoded, without the query. Valid while the router lives.
  std::optional<Match> match(std::string_view method, std::string_view path) const;
  // The methods that have a route for this path: for 405 and Allow.
  std::vector<std::string> methods_for(std::string_view path) const;

 private:
  struct Segment {
    enum class Kind { kLiteral, kParameter, kRest } kind;
    std::string text;  // the literal, or the parameter's name
  };
  struct Route {
    std::string method;
    std::vector<Segment> segments;
    bool has_slash;
    bool slash_is_optional;
  };

  static std::optional<Params> match_route(const Route& route, const std::vector<std::string_view>& parts,
                                           bool has_slash, std::string_view path);
  std::optional<Match> match_exactly(std::string_view method, std::string_view path) const;

  std::vector<Route> routes_;
};

}  // namespace dynflow::http
