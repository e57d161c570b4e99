// The routes of the dynflow module, wherever the tasks live: straight to the one side there is, or, while there are two,
// each to the side that has the task.
//
// With two sides: a launch goes to the target, but ids that the other side has are never launched again; what is about
// one task goes to its owner; bulk answers and counts are those of both, and 503 when one side cannot be asked that must
// be (a partial map tells Foreman that tasks are gone). `/legacy/console` is the console of the side that is not the
// target. Tokens are compared by the owner of the task.
//
// Threads: all methods may be called from any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/dynflow/mode_control.h"
#include "proxy/host/authorization.h"
#include "shared/http/message.h"
#include "shared/http/router.h"
#include "shared/json/json_fwd.h"

namespace dynflow::proxy {

class TaskRoutes {
 public:
  // `control` outlives the object. `console_is_open`: nobody is asked for anything at the console (`:console_auth: false`).
  TaskRoutes(ModeControl& control, std::shared_ptr<const Authorization> authorization, bool console_is_open = false);

  // Authorises and answers. `path`: below the mount point, still percent-encoded.
  http::Response handle(http::Request& request, std::string_view path);

 private:
  enum class Kind { kLaunch, kBulkStates, kBulkDocuments, kCount, kTask, kConsole, kRest };
  using View = ModeControl::View;

  void add(Kind kind, std::string_view method, std::string_view pattern, bool slash_is_optional = false);

  http::Response launch(http::Request& request, std::string_view path);
  http::Response launch_on_two(http::Request& request, std::string_view path, const View& view);
  http::Response launch_while_drained(http::Request& request, std::string_view path, const View& view);
  // Splits off what the old side has. Both parts as launch documents; nothing when the old side cannot be asked.
  using Held = std::vector<std::pair<std::string, std::string>>;  // id of the request, id on the side that has it
  struct Split {
    Held held;
    std::vector<std::string> fresh;
  };
  Result<Split> split(const Json& input, const View& view, Deadline deadline) const;
  Result<Json> answers_for_held(http::Request& request, std::string_view path, Backend& side, const Json& document,
                                const Held& held, std::optional<http::Response>& refusal) const;
  // The answer to a launch, whole; what it says about ids is remembered.
  http::Response learnt(http::Response answer, Side side) const;

  http::Response bulk(http::Request& request, std::string_view path, const View& view, Kind kind);
  Result<std::string> rest_of_bulk(http::Request& request, std::string_view path, const View& view, Kind kind,
                                   const std::vector<std::string>& ids) const;
  http::Response count(http::Request& request, std::string_view path, const View& view);
  http::Response task(http::Request& request, std::string_view path, const View& view, const std::string& id);
  Result<Side> owner_of(const std::string& id, const View& view, Deadline deadline) const;
  http::Response console(http::Request& request, std::string_view path, const View& view);

  ModeControl& control_;
  const std::shared_ptr<const Authorization> authorization_;  // owners: the host and its modules
  const bool console_is_open_;
  http::Router router_;
  std::vector<Kind> kinds_;  // by the router's number
  std::mutex mutex_;
  std::map<std::string, std::int64_t> other_counts_;  // the last ones by state, of the core service; under mutex_
};

}  // namespace dynflow::proxy
