#include "migration/state/ruby_values.h"

#include <catch2/catch.hpp>

namespace dynflow::migration {
namespace {

TEST_CASE("Cells are read in the form of their era, and in the other when they hold a container") {
  CHECK(json::dump(*decode_ruby(R"(["S",3])", RubyEra::kJson)) == R"(["S",3])");
  CHECK(json::dump(*decode_ruby("\x92\xa1S\x03", RubyEra::kMessagePack)) == R"(["S",3])");
  CHECK(json::dump(*decode_ruby("\x92\xa1S\x03", RubyEra::kJson)) == R"(["S",3])");
  CHECK(json::dump(*decode_ruby(R"({"a":1})", RubyEra::kMessagePack)) == R"({"a":1})");
}

TEST_CASE("A damaged cell is an error and not a number by chance") {
  CHECK(decode_ruby("{", RubyEra::kJson).error().code() == Code::kCorrupt);
  CHECK(decode_ruby("7x", RubyEra::kMessagePack).error().code() == Code::kCorrupt);
  CHECK(decode_ruby("", RubyEra::kMessagePack).error().code() == Code::kCorrupt);
}

TEST_CASE("Times as Ruby and Sequel write them") {
  const Time second = *parse_dynflow_time("2026-11-22 06:52:28");
  CHECK(parse_ruby_time("2026-11-22 06:52:28") == second);
  CHECK(parse_ruby_time("2026-11-22 06:52:28 UTC") == second);
  CHECK(parse_ruby_time("2026-11-22 06:52:28.146") == second + std::chrono::milliseconds(146));
  CHECK(parse_ruby_time("2026-11-22 06:52:28.146211") == second + std::chrono::microseconds(146211));
  CHECK(parse_ruby_time("2026-11-22 06:52:28.146211+0000") == second + std::chrono::microseconds(146211));
  for (const char* wrong : {"", "soon", "2026-11-22", "2026-11-22 06:52:28.", "2026-11-22 06:52:28.x", "2026-11-22 06:52:28 CET"}) {
    CHECK_FALSE(parse_ruby_time(wrong).has_value());
  }
}

TEST_CASE("Old class names become today's") {
  CHECK(current_class_name("ForemanRemoteExecutionCore::Actions::RunScript") == "Proxy::RemoteExecution::Ssh::Actions::RunScript");
  CHECK(current_class_name("SmartProxyDynflowCore::Callback::Action") == "Proxy::Dynflow::Callback::Action");
  CHECK(current_class_name("ForemanTasksCore::Runner::Action") == "Proxy::Dynflow::Action::Runner");
  CHECK(current_class_name("ForemanTasksCore::TaskLauncher::Batch") == "Proxy::Dynflow::TaskLauncher::Batch");
  CHECK(current_class_name("Actions::Foreman") == "Actions::Foreman");
}

TEST_CASE("Class names within a document are renamed, other texts stay") {
  Json document = *json::parse(
      R"({"script":"ForemanTasksCore::Runner::Action","deep":[{"class":"ForemanTasksCore::Runner::Action"}],"proxy_action_name":"SmartProxyDynflowCore::X"})");
  rename_classes(document);
  CHECK(json::dump(document) ==
        R"({"script":"ForemanTasksCore::Runner::Action","deep":[{"class":"Proxy::Dynflow::Action::Runner"}],"proxy_action_name":"Proxy::Dynflow::X"})");
}

}  // namespace
}  // namespace dynflow::migration
