#include "migration/apply/verification.h"

#include <fmt/format.h>

#include <chrono>

#include "shared/base/deadline.h"
#include "shared/base/interrupt.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

constexpr std::chrono::seconds kPatience{10};

Verdict answers_json(RunningProxy& proxy, std::string what, const std::string& path) {
  const auto text = proxy.get(path);
  if (!text) return {std::move(what), false, text.error().message()};
  const auto document = json::parse(*text);
  if (!document) return {std::move(what), false, document.error().message()};
  const bool is_empty = (document->is_array() || document->is_object()) && document->empty();
  return {std::move(what), !is_empty, is_empty ? path + " is empty" : ""};
}

// The feature runs, and has launchers.
Verdict see_feature(RunningProxy& proxy) {
  const std::string what = "the feature dynflow is offered, with launchers";
  const auto text = proxy.get("/v2/features");
  if (!text) return {what, false, text.error().message()};
  const auto document = json::parse(*text);
  const Json* feature = document.ok() ? json::find(*document, "dynflow") : nullptr;
  if (feature == nullptr) return {what, false, "/v2/features does not name it"};
  const std::string state = json::get_string(*feature, "state");
  if (state != "running") return {what, false, fmt::format("it is {}", state)};
  const Json* launchers = json::find(*feature, "capabilities");
  const bool has_some = launchers != nullptr && launchers->is_array() && !launchers->empty();
  return {what, has_some, has_some ? "" : "it names none"};
}

// A relay that has just begun is still asking its core for the launchers.
Verdict offers_dynflow(RunningProxy& proxy) {
  const Deadline deadline = Deadline::after(kPatience);
  while (true) {
    Verdict verdict = see_feature(proxy);
    if (verdict.is_good || deadline.has_passed() || is_interrupted()) return verdict;
    pause_between_looks();
  }
}

}  // namespace

std::vector<Verdict> verify_proxy(RunningProxy& proxy, bool is_external) {
  std::vector<Verdict> verdicts;
  verdicts.push_back(answers_json(proxy, "the proxy answers", "/version"));
  verdicts.push_back(offers_dynflow(proxy));
  const auto mode = proxy.mode();
  const std::string wanted = is_external ? "external" : "in-process";
  verdicts.push_back({"the mode is " + wanted, mode.ok() && mode->state == wanted, mode.ok() ? mode->state : mode.error().message()});
  verdicts.push_back(answers_json(proxy, "operations can be launched", "/dynflow/tasks/operations"));
  // A proxy that is drained does not count its tasks towards Foreman; it still knows them.
  const bool is_drained = mode.ok() && !mode->drained.empty();
  const auto count = is_drained ? proxy.running_tasks() : proxy.counted_tasks();
  verdicts.push_back({"tasks are counted", count.ok(), count.ok() ? "" : count.error().message()});
  return verdicts;
}

std::string to_text(const Verdict& verdict) {
  if (!verdict.was_asked) return fmt::format("skip {}: {}", verdict.what, verdict.detail);
  return verdict.is_good ? "ok   " + verdict.what : fmt::format("FAIL {}: {}", verdict.what, verdict.detail);
}

}  // namespace dynflow::migration
