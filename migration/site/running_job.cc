#include "migration/site/running_job.h"

#include <fmt/format.h>

#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

std::string age_of(Duration age) {
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(age).count();
  if (minutes < 1) return fmt::format("{} s", std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::seconds>(age).count(), 0));
  return minutes < 120 ? fmt::format("{} min", minutes) : fmt::format("{} h", minutes / 60);
}

}  // namespace

std::string to_text(const RunningJob& job) {
  std::string text = job.id;
  std::string more = job.operation;
  if (!job.age.empty()) more += (more.empty() ? "" : ", ") + job.age;
  if (!job.foreman_task.empty()) more += (more.empty() ? "" : ", ") + std::string("Foreman task ") + job.foreman_task;
  return more.empty() ? text : fmt::format("{} ({})", text, more);
}

RunningJob job_of(const std::string& id, const Json& document, Time now) {
  RunningJob job{id, "", "", ""};
  if (const auto started = parse_dynflow_time(json::get_string(document, "started_at"))) job.age = age_of(now - *started);
  const Json* actions = json::find(document, "actions");
  if (actions == nullptr || !actions->is_array()) return job;
  for (const Json& action : *actions) {
    if (job.operation.empty()) job.operation = json::get_string(action, "class");
    const Json* input = json::find(action, "input");
    if (input == nullptr || !input->is_object()) continue;
    const std::string operation = json::get_string(*input, "proxy_operation_name");
    if (!operation.empty()) job.operation = operation;
    const Json* callback = json::find(*input, "callback");
    if (job.foreman_task.empty() && callback != nullptr) job.foreman_task = json::get_string(*callback, "task_id");
  }
  return job;
}

std::vector<RunningJob> describe_jobs(RunningProxy& proxy, const std::vector<std::string>& ids, std::size_t limit) {
  std::vector<RunningJob> jobs;
  for (const std::string& id : ids) {
    if (jobs.size() == limit) break;
    const auto text = proxy.get(fmt::format("/dynflow/tasks/{}/status", id));
    const auto document = text.ok() ? json::parse(*text) : Result<Json>(text.error());
    jobs.push_back(document.ok() ? job_of(id, *document, system_clock().now()) : RunningJob{id, "", "", ""});
  }
  return jobs;
}

}  // namespace dynflow::migration
