#include "migration/site/phase.h"

#include <fmt/format.h>

namespace dynflow::migration {

namespace {

// A key of the sidecar era or the sidecar itself.
bool knows_sidecar(const Site& site) {
  return site.has_sidecar() || (site.dynflow && site.dynflow->module.values.is_present("core_url"));
}

Phase phase_of(const Site& site) {
  if (!site.dynflow) return Phase::kUnknown;
  if (site.saved_mode.starts_with("hand-over")) return Phase::kHandOver;
  const auto external = site.external_core();
  if (!external) return knows_sidecar(site) || !site.dynflow->module.is_file_there ? Phase::kUnset : Phase::kP3;
  if (*external) return site.core == Loadable::kYes ? Phase::kP1 : Phase::kP0;
  return site.has_sidecar() || site.sidecar_unit.is_active ? Phase::kP2 : Phase::kP3;
}

void set_mode(const Site& site, Assessment& result) {
  if (!site.dynflow) {
    result.mode = "unknown";
    result.why = site.problems.empty() ? "" : site.problems.front();
    return;
  }
  const auto external = site.external_core();
  const std::string loadable = site.core == Loadable::kYes  ? "the core is loadable: " + site.core_library
                               : site.core == Loadable::kNo ? "the core is not loadable"
                                                            : "whether the core is loadable cannot be told here";
  if (!external) {
    result.mode = site.core == Loadable::kYes ? "in-process" : site.core == Loadable::kNo ? "external" : "in-process when the core is loadable, else external";
    result.why = fmt::format(":external_core: is absent from {}; {}", site.dynflow_file, loadable);
    return;
  }
  result.mode = *external ? "external" : site.core == Loadable::kNo ? "failed" : "in-process";
  result.why = fmt::format("{}: :external_core: {}; {}", site.external_core_place(), *external, loadable);
}

void find_mixtures(const Site& site, Assessment& result) {
  const auto add = [&](std::string_view name, std::string text) { result.mixtures.push_back({name, std::move(text)}); };
  const auto external = site.external_core();
  const bool is_watched = site.sidecar_unit.is_known;
  const bool is_handing_over = result.phase == Phase::kHandOver;
  if (external == true && is_watched && site.layout.is_live() && !site.sidecar_unit.is_active && site.sidecar_unit.is_installed) {
    add("true-sidecar-not-running", fmt::format("{} says true, and {} is {}", site.external_core_place(), kSidecarUnit, site.sidecar_unit.text()));
  }
  if (external == true && !site.has_sidecar() && (is_watched || site.leftovers.empty())) {
    add("true-after-P3", fmt::format("{} says true, and there is no core service on this host", site.external_core_place()));
  }
  if (external == false && site.sidecar_unit.is_active && !is_handing_over) {
    add("false-sidecar-running", fmt::format("{} says false, and {} runs", site.external_core_place(), kSidecarUnit));
  }
  if (external == false && site.core == Loadable::kNo) {
    add("false-core-not-loadable", fmt::format("{} says false, and the core library is not installed", site.external_core_place()));
  }
  const auto& owner = site.core_port_owner;
  const long pid = site.sidecar_unit.main_pid;
  if (site.sidecar_unit.is_active && pid != 0 && owner && owner->pid != 0 && owner->pid != pid) {
    add("port-of-another", fmt::format("{} runs (pid {}), and its port {} belongs to {} (pid {})", kSidecarUnit, pid, site.sidecar->port, owner->name, owner->pid));
  }
  const bool both_run = is_handing_over || (external == false && site.sidecar_unit.is_active);
  if (both_run && !site.proxy_database.value.empty() && site.proxy_database.value == site.sidecar_database.value &&
      site.proxy_database.value.find("://") == std::string::npos) {
    add("one-database", fmt::format("{} and {} name the same file {}", site.proxy_database.origin, site.sidecar_database.origin, site.proxy_database.value));
  }
  if (is_watched && site.has_sidecar_file && !site.sidecar_unit.is_installed && !site.sidecar_unit.is_masked) {
    add("sidecar-files-without-unit", fmt::format("{} is there, and the unit {} is not", site.sidecar_file, kSidecarUnit));
  }
  if (result.phase == Phase::kUnset && site.is_red_hat && site.has_sidecar()) {
    add("unset-on-red-hat", fmt::format(":external_core: is absent from {} on a Red Hat system: what is installed decides", site.dynflow_file));
  }
}

}  // namespace

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::kUnknown: return "unknown";
    case Phase::kP0: return "P0";
    case Phase::kP1: return "P1";
    case Phase::kHandOver: return "hand-over";
    case Phase::kP2: return "P2";
    case Phase::kP3: return "P3";
    case Phase::kUnset: return "D-unset";
  }
  return "";
}

Assessment assess(const Site& site) {
  Assessment result;
  result.phase = phase_of(site);
  set_mode(site, result);
  find_mixtures(site, result);
  return result;
}

}  // namespace dynflow::migration
