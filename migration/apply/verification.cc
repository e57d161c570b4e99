#include "migration/apply/verification.h"

#include <fmt/format.h>

#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

Verdict answers_json(RunningProxy& proxy, std::string what, const std::string& path) {
  const auto text = proxy.get(path);
  if (!text) return {std::move(what), false, text.error().message()};
  const auto document = json::parse(*text);
  if (!document) return {std::move(what), false, document.error().message()};
  const bool is_empty = (document->is_array() || document->is_object()) && document->empty();
  return {std::move(what), !is_empty, is_empty ? path + " is empty" : ""};
}

Result<std::int64_t> counted_tasks(RunningProxy& proxy) {
  const auto text = proxy.get("/dynflow/tasks/count?state=running");
  if (!text) return text.error();
  const auto document = json::parse(*text);
  const Json* count = document.ok() ? json::find(*document, "count") : nullptr;
  if (count == nullptr || !count->is_number_integer()) return Error(Code::kBadPeer, "/dynflow/tasks/count: " + *text);
  return json::get_int(*document, "count", 0);
}

}  // namespace

std::vector<Verdict> verify_proxy(RunningProxy& proxy, bool is_external) {
  std::vector<Verdict> verdicts;
  verdicts.push_back(answers_json(proxy, "the proxy answers", "/version"));
  const auto features = proxy.get("/features");
  const bool has_feature = features.ok() && features->find("\"dynflow\"") != std::string::npos;
  verdicts.push_back({"the feature dynflow is offered", has_feature, features.ok() ? *features : features.error().message()});
  const auto mode = proxy.mode();
  const std::string wanted = is_external ? "external" : "in-process";
  verdicts.push_back({"the mode is " + wanted, mode.ok() && mode->state == wanted, mode.ok() ? mode->state : mode.error().message()});
  verdicts.push_back(answers_json(proxy, "operations can be launched", "/dynflow/tasks/operations"));
  // A proxy that is drained does not count its tasks towards Foreman; it still knows them.
  const bool is_drained = mode.ok() && !mode->drained.empty();
  const auto count = is_drained ? proxy.running_tasks() : counted_tasks(proxy);
  verdicts.push_back({"tasks are counted", count.ok(), count.ok() ? "" : count.error().message()});
  return verdicts;
}

}  // namespace dynflow::migration
