#include "proxy/host/features.h"

#include <catch2/catch.hpp>

using namespace dynflow::proxy;

namespace {

Feature row(std::string name, ModuleState state, std::vector<std::string> capabilities = {}) {
  Feature feature;
  feature.name = std::move(name);
  feature.version = "1.0.1";
  feature.is_on_http = true;
  feature.is_on_https = state != ModuleState::kDisabled;
  feature.state = state;
  feature.capabilities = std::move(capabilities);
  return feature;
}

const std::vector<Feature> kRows{row("script", ModuleState::kRunning), row("dynflow", ModuleState::kRunning, {"ssh", "batch", "ssh"}),
                                 row("ansible", ModuleState::kDisabled, {"x"}), row("bmc", ModuleState::kFailed)};

}  // namespace

TEST_CASE("/features names what runs, sorted", "[features]") {
  CHECK(features_document(kRows) == R"(["dynflow","script"])");
  CHECK(features_document({}) == "[]");
}

TEST_CASE("/v2/features shows everything in the order of registration", "[features]") {
  CHECK(features_v2_document(kRows) ==
        R"({"script":{"http_enabled":true,"https_enabled":true,"settings":{},"state":"running","capabilities":[]},)"
        R"("dynflow":{"http_enabled":true,"https_enabled":true,"settings":{},"state":"running","capabilities":["batch","ssh"]},)"
        R"("ansible":{"http_enabled":true,"https_enabled":false,"settings":{},"state":"disabled","capabilities":[]},)"
        R"("bmc":{"http_enabled":false,"https_enabled":false,"settings":{},"state":"failed","capabilities":[]}})");
  CHECK(features_v2_document({}) == "{}");
}

TEST_CASE("/version names the host and what runs", "[features]") {
  CHECK(version_document(kRows, "3.11.0") == R"({"version":"3.11.0","modules":{"script":"1.0.1","dynflow":"1.0.1"}})");
}

TEST_CASE("every state has upstream's word", "[features]") {
  CHECK(to_string(ModuleState::kUninitialized) == "uninitialized");
  CHECK(to_string(ModuleState::kDisabled) == "disabled");
  CHECK(to_string(ModuleState::kStarting) == "starting");
  CHECK(to_string(ModuleState::kRunning) == "running");
  CHECK(to_string(ModuleState::kFailed) == "failed");
}
