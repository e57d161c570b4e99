#include "migration/rehearse/html_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "migration/rehearse/verdict.h"

namespace dynflow::migration {

namespace {

constexpr std::string_view kHead = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rehearsal: in-process and external execution</title>
<style>
:root { --in: #1f6fb2; --ex: #d9822b; --ink: #1d2733; --soft: #5b6b7b; --line: #dde3ea; --paper: #fff; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto; max-width: 1000px; padding: 24px; }
h1 { font-size: 26px; margin: 0 0 4px; }
h2 { font-size: 19px; margin: 32px 0 8px; border-bottom: 1px solid var(--line); padding-bottom: 4px; }
h3 { font-size: 14px; margin: 0 0 6px; color: var(--soft); font-weight: 600; }
p.facts { color: var(--soft); margin: 0 0 16px; }
.verdict { border-left: 4px solid var(--in); background: #f3f7fb; padding: 10px 16px; margin: 16px 0; }
.verdict p { margin: 4px 0; }
.verdict p:first-child { font-weight: 600; font-size: 17px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 16px; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 6px; padding: 12px; break-inside: avoid; }
svg { width: 100%; height: auto; display: block; }
svg text { font: 12px system-ui, "DejaVu Sans", sans-serif; fill: var(--ink); }
svg text.soft { fill: var(--soft); }
.in { fill: var(--in); } .ex { fill: var(--ex); }
.in-line { stroke: var(--in); } .ex-line { stroke: var(--ex); }
.curve { fill: none; stroke-width: 2; }
table { border-collapse: collapse; width: 100%; margin: 16px 0; font-variant-numeric: tabular-nums; break-inside: avoid; }
th, td { text-align: right; padding: 4px 10px; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
td.unit { text-align: left; color: var(--soft); }
td.better { font-weight: 600; }
.legend span { display: inline-block; width: 12px; height: 12px; border-radius: 2px; margin: 0 6px 0 14px; vertical-align: -1px; }
.legend span:first-child { margin-left: 0; }
ul { padding-left: 20px; }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
</style>
</head>
<body>
)";

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&': safe += "&amp;"; break;
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      case '"': safe += "&quot;"; break;
      default: safe += c;
    }
  }
  return safe;
}

// Two bars, one below the other.
void add_bars(std::string& html, const Measure& measure) {
  constexpr double kLeft = 80;
  constexpr double kWidth = 150;
  const double most = std::max({measure.in_process, measure.external, 1e-9});
  auto out = std::back_inserter(html);
  fmt::format_to(out, "<figure><h3>{}{}</h3><svg viewBox=\"0 0 300 62\" role=\"img\" aria-label=\"{}\">\n", escaped(measure.name),
                 measure.is_more_better ? " (more is better)" : "", escaped(measure.name));
  double y = 6;
  for (const auto& [mode, css, value] : {std::tuple("in-process", "in", measure.in_process), std::tuple("external", "ex", measure.external)}) {
    const double width = std::max(1.0, kWidth * value / most);
    fmt::format_to(out, "<text class=\"soft\" x=\"0\" y=\"{:.0f}\">{}</text><rect class=\"{}\" x=\"{}\" y=\"{:.0f}\" width=\"{:.1f}\" height=\"20\" rx=\"2\"/>"
                   "<text x=\"{:.1f}\" y=\"{:.0f}\">{} {}</text>\n",
                   y + 15, mode, css, kLeft, y, width, kLeft + width + 6, y + 15, number_text(value), escaped(measure.unit));
    y += 28;
  }
  html += "</svg></figure>\n";
}

// Callbacks that have arrived, over time: the typical round of each mode.
void add_curve(std::string& html, const Stage& stage) {
  constexpr double kLeft = 46;
  constexpr double kRight = 930;
  constexpr double kTop = 10;
  constexpr double kBottom = 180;
  double seconds = 1e-9;
  std::size_t count = 1;
  for (const ModeFindings& mode : stage.modes) {
    seconds = std::max(seconds, mode.typical().wall_s);
    count = std::max(count, mode.typical().arrivals_s.size());
  }
  const auto x = [&](double at) { return kLeft + (kRight - kLeft) * at / seconds; };
  const auto y = [&](double done) { return kBottom - (kBottom - kTop) * done / static_cast<double>(count); };
  auto out = std::back_inserter(html);
  html += "<figure><h3>Callbacks that have arrived, a typical round</h3><svg viewBox=\"0 0 950 215\" role=\"img\" aria-label=\"callbacks over time\">\n";
  for (int part = 0; part <= 4; ++part) {
    const double at = seconds * part / 4;
    const double done = static_cast<double>(count) * part / 4;
    fmt::format_to(out, "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"#dde3ea\"/><text class=\"soft\" x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.0f}</text>",
                   kLeft, kRight, y(done), kLeft - 6, y(done) + 4, done);
    fmt::format_to(out, "<text class=\"soft\" x=\"{:.1f}\" y=\"{}\" text-anchor=\"{}\">{} s</text>\n", x(at), kBottom + 18,
                   part == 4 ? "end" : "middle", number_text(at));
  }
  for (const ModeFindings& mode : stage.modes) {
    fmt::format_to(out, "<polyline class=\"curve {}\" points=\"{:.1f},{:.1f}", mode.mode == Mode::kInProcess ? "in-line" : "ex-line", x(0), y(0));
    const auto& arrivals = mode.typical().arrivals_s;
    for (std::size_t i = 0; i < arrivals.size(); ++i) fmt::format_to(out, " {:.1f},{:.1f}", x(arrivals[i]), y(static_cast<double>(i + 1)));
    html += "\"/>\n";
  }
  html += "</svg></figure>\n";
}

void add_table(std::string& html, const Stage& stage) {
  auto out = std::back_inserter(html);
  const auto third = [&](const std::string& text) { return stage.ruby ? fmt::format("<td>{}</td>", text) : std::string(); };
  fmt::format_to(out, "<table><thead><tr><th>measure</th><th>in-process</th><th>external</th>{}<th></th></tr></thead><tbody>\n",
                 stage.ruby ? "<th>Ruby pair</th>" : "");
  for (const Measure& measure : measures_of(stage)) {
    const bool first_wins = measure.is_more_better ? measure.in_process > measure.external : measure.in_process < measure.external;
    fmt::format_to(out, "<tr><td>{}</td><td{}>{}</td><td{}>{}</td>{}<td class=\"unit\">{}</td></tr>\n", escaped(measure.name),
                   first_wins ? " class=\"better\"" : "", number_text(measure.in_process), first_wins ? "" : " class=\"better\"",
                   number_text(measure.external), third(number_text(measure.ruby.value_or(0))), escaped(measure.unit));
  }
  const auto succeeded = [](const ModeFindings& mode) { return fmt::format("{}/{}", mode.succeeded(), mode.tasks()); };
  fmt::format_to(out, "<tr><td>jobs that succeeded</td><td>{}</td><td>{}</td>{}<td></td></tr>\n", succeeded(stage.modes[0]),
                 succeeded(stage.modes[1]), third(stage.ruby ? succeeded(*stage.ruby) : ""));
  std::vector<const ModeFindings*> modes = {&stage.modes[0], &stage.modes[1]};
  if (stage.ruby) modes.push_back(&*stage.ruby);
  for (std::size_t column = 0; column < modes.size(); ++column) {
    for (const ProcessMemory& process : modes[column]->memory) {
      fmt::format_to(out, "<tr><td>memory of {}, before and after</td>", escaped(process.name));
      for (std::size_t at = 0; at < modes.size(); ++at) {
        fmt::format_to(out, "<td>{}</td>", at == column ? fmt::format("{} to {}", number_text(static_cast<double>(process.idle_kib) / 1024),
                                                                      number_text(static_cast<double>(process.after_kib) / 1024))
                                                        : std::string());
      }
      html += "<td class=\"unit\">MiB</td></tr>\n";
    }
  }
  html += "</tbody></table>\n";
}

void add_list(std::string& html, std::string_view title, const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  fmt::format_to(std::back_inserter(html), "<h2>{}</h2>\n<ul>\n", title);
  for (const std::string& line : lines) fmt::format_to(std::back_inserter(html), "<li>{}</li>\n", escaped(line));
  html += "</ul>\n";
}

}  // namespace

std::string html_report(const Findings& findings) {
  std::string html(kHead);
  auto out = std::back_inserter(html);
  fmt::format_to(out,
                 "<h1>In-process or with the core service?</h1>\n<p class=\"facts\">{}, {} processors, {} MiB; load {:.2f} before. "
                 "{:.0f} s in all. Settings: {}.</p>\n<p class=\"legend\"><span style=\"background:var(--in)\"></span>in-process: the "
                 "proxy runs the jobs<span style=\"background:var(--ex)\"></span>external: the proxy relays to smart_proxy_dynflow_core</p>\n<div "
                 "class=\"verdict\">\n",
                 escaped(findings.machine), findings.processors, findings.memory_mib, findings.load_before, findings.took_s,
                 findings.site.source.empty() ? "the defaults" : escaped(findings.site.source));
  for (const std::string& sentence : findings.verdict) fmt::format_to(out, "<p>{}</p>\n", escaped(sentence));
  html += "</div>\n";
  for (const Stage& stage : findings.stages) {
    fmt::format_to(out, "<h2>{}</h2>\n<p class=\"facts\">{} rounds of each mode, in turn, of {} jobs on {} hosts each; medians.</p>\n",
                   escaped(stage.title), stage.modes[0].rounds.size(), stage.jobs, stage.hosts);
    add_curve(html, stage);
    html += "<div class=\"charts\" style=\"margin-top:16px\">\n";
    for (const Measure& measure : measures_of(stage)) add_bars(html, measure);
    html += "</div>\n";
    add_table(html, stage);
  }
  add_list(html, "Not as at the site", findings.site.notes);
  add_list(html, "Not done", findings.skipped);
  html += "</body>\n</html>\n";
  return html;
}

}  // namespace dynflow::migration
