#include "shared/plugin/loader.h"

#include <catch2/catch.hpp>

#include "shared/base/temporary_folder.h"
#include "shared/plugin/build_id.h"
#include "tests/support/engine/live_world.h"

using namespace dynflow;
using namespace dynflow::plugin;

namespace {

const std::filesystem::path kPlugins = TEST_PLUGIN_DIR;

struct Fixture : test::LiveWorld {
  Fixture()
      : dispatcher(world(), runner::DispatcherOptions()),
        context{registry, launchers, dispatcher, passwords,
                [this](const std::string& name) { return settings::parse_yaml(yaml, name); }, "INFO", features},
        plugins(context) {}

  std::string yaml = ":a: 1\n:b: [x, true, 1.5, ~]\n:c:\n  d: :sym\n";
  launcher::LauncherRegistry launchers;
  launcher::OneTimePasswords passwords;
  std::vector<Feature> features;
  runner::Dispatcher dispatcher;
  Context context;
  Plugins plugins;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a plugin gets registries, settings and log, and is stopped once") {
  const auto loaded = plugins.load(kPlugins / "good.so");
  REQUIRE(loaded.ok());
  CHECK(loaded->name == "test_plugin");
  CHECK(loaded->version == "1.2.3");
  REQUIRE(features.size() == 1);
  CHECK(features[0].capabilities.front() == R"({"a":1,"b":["x",true,1.5,null],"c":{"d":"sym"}})");
  plugins.stop();
  plugins.stop();
  REQUIRE(features.size() == 2);
  CHECK(features[1].name == "stopped");
}

TEST_CASE_METHOD(Fixture, "a plugin that is found in two folders is initialised once") {
  REQUIRE(plugins.load(kPlugins / "good.so").ok());
  const TemporaryFolder folder = *TemporaryFolder::make("plugin-test");
  std::filesystem::create_symlink(kPlugins / "good.so", folder.path() / "good.so");
  const auto again = plugins.load(folder.path() / "good.so");
  REQUIRE(again.ok());
  CHECK(again->name == "test_plugin");
  CHECK(plugins.loaded().size() == 1);
  CHECK(features.size() == 1);
}

TEST_CASE_METHOD(Fixture, "without settings a plugin gets an empty map") {
  yaml = "";
  REQUIRE(plugins.load(kPlugins / "good.so").ok());
  CHECK(features[0].capabilities.front() == "{}");
}

TEST_CASE_METHOD(Fixture, "a plugin gets nothing for settings that cannot be read, and can be tried again") {
  yaml = ":a: [";
  const auto refused = plugins.load(kPlugins / "good.so");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message() == "good.so: no settings");
  yaml = "";
  CHECK(plugins.load(kPlugins / "good.so").ok());
}

TEST_CASE_METHOD(Fixture, "what is no plugin of this build is refused with the reason") {
  const auto why = [&](const std::string& file, Code code) {
    const auto refused = plugins.load(kPlugins / file);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code() == code);
    return refused.error().message();
  };
  CHECK(why("absent.so", Code::kNotFound) == "absent.so: not installed");
  CHECK(why("no_entry.so", Code::kUnavailable) == "no_entry.so: no plugin, it lacks dynflow_plugin_v1");
  CHECK(why("other_abi.so", Code::kUnavailable) == "other_abi.so: made for plugin interface 7, this is 1");
  CHECK(why("small.so", Code::kUnavailable).find("its description has 16 bytes") != std::string::npos);
  CHECK(why("other_build.so", Code::kUnavailable) ==
        "other_build.so: made with build 'another build', this is '" + std::string(kBuildId) + "'");
  CHECK(why("failing.so", Code::kFailed) == "failing.so: no key file");
  CHECK(why("broken.so", Code::kUnavailable).find("broken.so") == 0);
  CHECK(plugins.loaded().empty());
  CHECK(features.empty());
}
