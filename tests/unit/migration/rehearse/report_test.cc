#include "migration/rehearse/report.h"

#include <catch2/catch.hpp>

#include "migration/rehearse/html_report.h"
#include "migration/rehearse/verdict.h"
#include "shared/json/json.h"

namespace dynflow::migration {
namespace {

Round round_of(double wall_s, double cpu_s, double version_ms) {
  Round round;
  round.tasks = 2;
  round.succeeded = 2;
  round.launch_ms = {1, 2};
  round.arrivals_s = {wall_s / 2, wall_s};
  round.wall_s = wall_s;
  round.cpu_s = cpu_s;
  round.version_ms = {version_ms};
  return round;
}

Findings findings_of(double cpu_in_process, double cpu_external, double version_in_process) {
  Findings findings;
  Stage stage{"no-op", "No-op jobs", 1, 2, {}, std::nullopt};
  stage.modes.resize(2);
  stage.modes[0].memory = {{"smart-proxy", 10240, 20480}};
  stage.modes[1].mode = Mode::kExternal;
  stage.modes[1].memory = {{"smart_proxy_dynflow_core", 10240, 20480}, {"smart-proxy", 10240, 10240}};
  for (int i = 0; i < 3; ++i) {
    stage.modes[0].rounds.push_back(round_of(1, cpu_in_process, version_in_process));
    stage.modes[1].rounds.push_back(round_of(1, cpu_external, 1));
  }
  findings.stages.push_back(std::move(stage));
  findings.traffic = RelayTraffic{10, 5000, 20000};
  findings.verdict = verdict_of(findings);
  return findings;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

TEST_CASE("The verdict tells differences from noise") {
  CHECK(joined(verdict_of(findings_of(0.05, 0.1, 1))).find("50 % less CPU (25.0 against 50.0 ms a host)") != std::string::npos);
  CHECK(joined(verdict_of(findings_of(0.1, 0.05, 1))).find("100 % more CPU") != std::string::npos);
  CHECK(joined(verdict_of(findings_of(0.1, 0.102, 1))).find("no clear difference in CPU") != std::string::npos);
}

TEST_CASE("Rounds that overlap decide nothing") {
  Findings findings = findings_of(0.05, 0.1, 1);
  findings.stages[0].modes[0].rounds[0].cpu_s = 0.2;
  CHECK(joined(verdict_of(findings)).find("no clear difference in CPU") != std::string::npos);
}

TEST_CASE("The conclusion comes first and depends on other requests and on failures") {
  CHECK(verdict_of(findings_of(0.1, 0.1, 2))[0].starts_with("Nothing measured here speaks against"));
  CHECK(verdict_of(findings_of(0.1, 0.1, 30))[0].find("wait a little longer") != std::string::npos);
  CHECK(verdict_of(findings_of(0.1, 0.1, 300))[0].find("slow down other requests") != std::string::npos);
  Findings failed = findings_of(0.1, 0.1, 1);
  failed.stages[0].modes[1].rounds[0].succeeded = 1;
  CHECK(verdict_of(failed)[0].starts_with("1 jobs failed"));
}

TEST_CASE("The Ruby pair has a column of its own where it ran") {
  Findings findings = findings_of(0.05, 0.1, 1);
  const std::string without = joined(report_lines(findings));
  CHECK(without.find("Ruby") == std::string::npos);
  CHECK(html_report(findings).find("Ruby") == std::string::npos);
  ModeFindings ruby;
  ruby.mode = Mode::kRuby;
  ruby.memory = {{"Ruby smart-proxy", 10240, 20480}};
  ruby.rounds.push_back(round_of(4, 0.5, 1));
  ruby.rounds[0].succeeded = 1;
  findings.stages[0].ruby = std::move(ruby);
  findings.verdict = verdict_of(findings);
  CHECK(findings.verdict[0].starts_with("Nothing measured here speaks against"));
  const std::string text = joined(report_lines(findings));
  CHECK(text.find("  in-process     external    Ruby pair") != std::string::npos);
  CHECK(text.find("succeeded                           6/6          6/6          1/2") != std::string::npos);
  CHECK(text.find("The Ruby pair: 250 ms CPU a host, 10.0 times that of in-process; 2.00 s a host until the last callback, 4.00 times that of "
                  "in-process; a launch is answered in 1.00 ms, 1.00 times that of in-process.") != std::string::npos);
  CHECK(html_report(findings).find("<th>Ruby pair</th>") != std::string::npos);
  CHECK(report_document(findings)["stages"][0]["modes"]["Ruby pair"]["succeeded"] == 1);
}

TEST_CASE("Memory and traffic are told in words") {
  const std::string text = joined(verdict_of(findings_of(0.1, 0.1, 1)));
  CHECK(text.find("keeps 10.0 MiB more memory") != std::string::npos);
  CHECK(text.find("500 bytes a host to the core and back for a launch, and 2000 for each look") != std::string::npos);
}

TEST_CASE("The document has both modes with all of their rounds") {
  const Json document = report_document(findings_of(0.05, 0.1, 1));
  const Json& modes = document["stages"][0]["modes"];
  REQUIRE(modes.size() == 2);
  CHECK(modes["in-process"]["rounds"].size() == 3);
  CHECK(modes["external"]["tasks"].get<int>() == 6);
  CHECK(modes["external"]["callbacks"].get<int>() == 6);
  CHECK(modes["in-process"]["cpu_ms_per_task"].get<double>() == Approx(25));
  CHECK(modes["external"]["memory_kib"].get<int>() == 30720);
  CHECK(document["relay_traffic"]["launch_bytes"].get<int>() == 5000);
}

TEST_CASE("The HTML report escapes what it did not write itself, and fetches nothing") {
  Findings findings = findings_of(0.05, 0.1, 1);
  findings.site.notes = {"<script>alert(1)</script> & \"more\""};
  const std::string html = html_report(findings);
  CHECK(html.find("<script") == std::string::npos);
  CHECK(html.find("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;more&quot;") != std::string::npos);
  CHECK(html.find("http://") == std::string::npos);
  CHECK(html.find("https://") == std::string::npos);
  CHECK(html.find("<polyline") != std::string::npos);
}

TEST_CASE("Numbers have three digits that matter") {
  CHECK(number_text(1234.5) == "1234");
  CHECK(number_text(12.345) == "12.3");
  CHECK(number_text(1.2345) == "1.23");
  CHECK(number_text(0.0421) == "0.042");
}

}  // namespace
}  // namespace dynflow::migration
