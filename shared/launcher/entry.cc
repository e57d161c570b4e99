#include "shared/launcher/entry.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <utility>

#include "shared/base/utf8.h"
#include "shared/launcher/secrets.h"
#include "shared/net/digest.h"

namespace dynflow::launcher {
namespace {

constexpr std::size_t kMaxIdBytes = 255;
constexpr std::size_t kOutlineTextBytes = 1024;
constexpr std::string_view kRequestId = "current_request_id";

// The same text for the same value, whatever the order of keys.
void canonical_to(std::string& out, const Json& value) {
  if (value.is_object()) {
    std::map<std::string_view, const Json*> members;
    for (const auto& [key, member] : value.items()) members.emplace(key, &member);
    out += '{';
    for (const auto& [key, member] : members) {
      json::dump_string_to(out, key);
      out += ':';
      canonical_to(out, *member);
      out += ',';
    }
    out += '}';
  } else if (value.is_array()) {
    out += '[';
    for (const Json& part : value) {
      canonical_to(out, part);
      out += ',';
    }
    out += ']';
  } else {
    json::dump_to(out, value);
  }
}

std::string digest_of(std::string_view operation, std::string_view action_class, const Json& input) {
  std::string text;
  json::dump_string_to(text, operation);
  json::dump_string_to(text, action_class);
  // A repeated request has an id of its own.
  Json compared = input;
  compared.erase(std::string(kRequestId));
  canonical_to(text, compared);
  return net::sha256_hex(text);
}

void shorten(Json& value) {
  if (value.is_structured()) {
    for (Json& part : value) shorten(part);
  } else if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (text.size() > kOutlineTextBytes) {
      value = fmt::format("{}... ({} bytes)", to_valid_utf8(text.substr(0, kOutlineTextBytes), ""), text.size());
    }
  }
}

Error wrong(const std::string& id, std::string_view what) {
  return Error(Code::kInvalid, id.empty() ? fmt::format("input: {}", what) : fmt::format("input of '{}': {}", id, what));
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

}  // namespace

Result<Entry> parse_entry(std::string id, const Json& entry, std::string_view action_class_override,
                          const LaunchContext& context) {
  if (!entry.is_object()) return wrong(id, "must be an object with action_class and action_input");
  if (id.size() > kMaxIdBytes || has_control_character(id)) {
    return Error(Code::kInvalid, fmt::format("ids of plans are at most {} bytes of plain text", kMaxIdBytes));
  }
  const Json* action_class = json::find(entry, "action_class");
  const bool is_named = action_class != nullptr && action_class->is_string() && !action_class->get_ref<const std::string&>().empty();
  if (!is_named && (action_class_override.empty() || (action_class != nullptr && !action_class->is_null()))) {
    return wrong(id, "action_class must be the name of an action");
  }
  const Json* input = json::find(entry, "action_input");
  if (input == nullptr || !input->is_object()) return wrong(id, "action_input must be an object");
  if (const Json* secrets = json::find(*input, "secrets"); secrets != nullptr && !secrets->is_object() && !secrets->is_null()) {
    return wrong(id, "secrets must be an object");
  }
  if (const Json* callback = json::find(*input, "callback"); callback != nullptr && !callback->is_null()) {
    if (!callback->is_object()) return wrong(id, "callback must be an object");
    if (json::get_string(*callback, "task_id").empty()) return wrong(id, "callback.task_id must be the id of a task");
  }
  if (const Json* request_id = json::find(*input, kRequestId);
      request_id != nullptr && !request_id->is_null() && !request_id->is_string()) {
    return wrong(id, "current_request_id must be a text");
  }

  Entry parsed;
  parsed.id = std::move(id);
  parsed.action_class = action_class_override.empty() ? action_class->get<std::string>() : std::string(action_class_override);
  TakenSecrets taken = take_secrets(*input);
  parsed.input = std::move(taken.input);
  parsed.secrets = std::move(taken.secrets);
  parsed.digest = digest_of(context.operation, parsed.action_class, parsed.input);
  parsed.input["callback_host"] = context.callback_host;
  return parsed;
}

engine::PlanRequest to_request(Entry entry, const LaunchContext& context) {
  engine::PlanRequest request;
  request.plan_id = std::move(entry.id);
  request.action_class = std::move(entry.action_class);
  request.args = std::move(entry.input);
  request.secrets = std::move(entry.secrets);
  request.request_digest = std::move(entry.digest);
  request.request_id = context.request_id;
  return request;
}

Json outline(const Entry& entry) {
  Json input = entry.input;
  input.erase("callback_host");
  shorten(input);
  return Json{{"action_class", entry.action_class}, {"action_input", std::move(input)}};
}

Error refused_by_world(const Error& error) {
  if (error.code() != Code::kNotFound) return error;
  return Error(Code::kUnprocessable, error.message());
}

Json failure_answer(const persistence::StepError& error) {
  Json record{{"class", "Dynflow::ExecutionPlan::Steps::Error"},
              {"exception_class", error.exception_class},
              {"message", error.message},
              {"backtrace", error.backtrace}};
  return Json{{"result", "error"}, {"errors", Json::array({std::move(record)})}};
}

Status explain_failures(engine::World& world, std::vector<FailedEntry> failed, const LaunchContext& context) {
  if (failed.empty()) return {};
  persistence::WriteBatch batch;
  for (FailedEntry& entry : failed) {
    Json& input = entry.input;
    // As the shareable action would have left it (smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/action/shareable.rb).
    if (const Json* callback = json::find(input, "callback"); callback != nullptr && callback->is_object()) {
      input["task_id"] = json::get_string(*callback, "task_id");
    }
    input.erase("callback");
    if (!context.request_id.empty() && !input.contains(std::string(kRequestId))) input[std::string(kRequestId)] = context.request_id;
    const double now = to_unix_seconds(world.clock().now());
    Json chunk{{"output_type", "debug"},
               {"output", fmt::format("Proxy error: {} - {}", entry.error.exception_class, entry.error.message)},
               {"timestamp", now}};
    const Json output{{"result", Json::array({std::move(chunk)})}, {"exit_status", "EXCEPTION"}, {"exit_status_timestamp", now}};
    constexpr int kRootAction = 1;
    batch.add(persistence::WriteBatch::UpdateAction{entry.plan_id, kRootAction, json::dump(input), json::dump(output)});
  }
  return world.store().commit(std::move(batch));
}

}  // namespace dynflow::launcher
