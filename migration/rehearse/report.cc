#include "migration/rehearse/report.h"

#include <fmt/format.h>

#include "migration/rehearse/verdict.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

Json document_of(const ModeFindings& mode) {
  Json rounds = Json::array();
  for (const Round& round : mode.rounds) {
    rounds.push_back({{"tasks", round.tasks},
                      {"succeeded", round.succeeded},
                      {"callbacks", round.arrivals_s.size()},
                      {"launch_ms", round.launch_ms},
                      {"last_callback_s", round.wall_s},
                      {"cpu_s", round.cpu_s}});
  }
  Json processes = Json::array();
  for (const ProcessMemory& process : mode.memory) {
    processes.push_back({{"name", process.name}, {"idle_kib", process.idle_kib}, {"after_kib", process.after_kib}});
  }
  return {{"tasks", mode.tasks()},
          {"succeeded", mode.succeeded()},
          {"callbacks", mode.callbacks()},
          {"start_s", mode.start_s},
          {"launch_ms", {{"p50", mode.launch_ms(0.5)}, {"p95", mode.launch_ms(0.95)}}},
          {"tasks_per_second", mode.tasks_per_second()},
          {"last_callback_s", mode.last_callback_s()},
          {"cpu_ms_per_task", mode.cpu_ms_per_task()},
          {"memory_kib", mode.memory_kib()},
          {"version_ms",
           {{"idle", {{"p50", percentile(mode.idle_version_ms, 0.5)}, {"p99", percentile(mode.idle_version_ms, 0.99)}}},
            {"busy", {{"p50", mode.version_ms(0.5)}, {"p99", mode.version_ms(0.99)}}}}},
          {"processes", std::move(processes)},
          {"rounds", std::move(rounds)}};
}

}  // namespace

std::vector<std::string> report_lines(const Findings& findings) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("{} processors, {} MiB, load {:.2f} before; {:.0f} s in all", findings.processors, findings.memory_mib,
                              findings.load_before, findings.took_s));
  lines.push_back(findings.site.source.empty() ? std::string("settings: the defaults") : "settings: " + findings.site.source);
  for (const std::string& note : findings.site.notes) lines.push_back("note: " + note);
  for (const std::string& text : findings.skipped) lines.push_back("not done: " + text);
  for (const Stage& stage : findings.stages) {
    lines.emplace_back();
    lines.push_back(fmt::format("{} ({} rounds each, {} jobs on {} hosts a round)", stage.title, stage.modes[0].rounds.size(), stage.jobs,
                                stage.hosts));
    const auto third = [&](std::string text) { return stage.ruby ? fmt::format(" {:>12}", text) : std::string(); };
    lines.push_back(fmt::format("  {:<26} {:>12} {:>12}{}", "", to_string(stage.modes[0].mode), to_string(stage.modes[1].mode),
                                third(std::string(to_string(Mode::kRuby)))));
    for (const Measure& measure : measures_of(stage)) {
      lines.push_back(fmt::format("  {:<26} {:>12} {:>12}{}  {}", measure.name, number_text(measure.in_process), number_text(measure.external),
                                  third(number_text(measure.ruby.value_or(0))), measure.unit));
    }
    const auto succeeded = [](const ModeFindings& mode) { return fmt::format("{}/{}", mode.succeeded(), mode.tasks()); };
    lines.push_back(fmt::format("  {:<26} {:>12} {:>12}{}", "succeeded", succeeded(stage.modes[0]), succeeded(stage.modes[1]),
                                third(stage.ruby ? succeeded(*stage.ruby) : "")));
  }
  lines.emplace_back();
  for (const std::string& sentence : findings.verdict) lines.push_back(sentence);
  return lines;
}

Json report_document(const Findings& findings) {
  Json stages = Json::array();
  for (const Stage& stage : findings.stages) {
    Json modes = Json::object();
    for (const ModeFindings& mode : stage.modes) modes[std::string(to_string(mode.mode))] = document_of(mode);
    if (stage.ruby) modes[std::string(to_string(Mode::kRuby))] = document_of(*stage.ruby);
    stages.push_back({{"name", stage.name}, {"title", stage.title}, {"hosts", stage.hosts}, {"jobs", stage.jobs}, {"modes", std::move(modes)}});
  }
  Json document = {{"machine",
                    {{"system", findings.machine},
                     {"processors", findings.processors},
                     {"memory_mib", findings.memory_mib},
                     {"load_before", findings.load_before}}},
                   {"took_s", findings.took_s},
                   {"settings", {{"source", findings.site.source}, {"notes", findings.site.notes}}},
                   {"stages", std::move(stages)},
                   {"skipped", findings.skipped},
                   {"verdict", findings.verdict}};
  if (findings.traffic) {
    document["relay_traffic"] = {{"tasks", findings.traffic->tasks},
                                 {"launch_bytes", findings.traffic->launch_bytes},
                                 {"status_bytes", findings.traffic->status_bytes}};
  }
  return document;
}

}  // namespace dynflow::migration
