#include "shared/executors/remote_execution/job_input.h"

#include <catch2/catch.hpp>

#include "shared/json/json.h"

namespace dynflow::remote_execution {
namespace {

settings::RemoteExecutionSettings settings_for_test() {
  settings::RemoteExecutionSettings settings;
  settings.ssh_identity_key_file = "/key";
  settings.ssh_user = "root";
  settings.remote_working_dir = "/var/tmp";
  return settings;
}

Json input() { return {{"hostname", "web"}, {"script", "echo\r\n"}}; }

JobInputResult read(const Json& value, const Json& secrets = nullptr) {
  return read_job_input(value, secrets, settings_for_test(), "id");
}

void check_error(Json value, const std::string& exception_class, const std::string& message) {
  const JobInputResult result = read(value);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().exception_class == exception_class);
  CHECK(result.error().message == message);
}

}  // namespace

TEST_CASE("what is left out has upstream's defaults") {
  JobInputResult result = read(input());
  REQUIRE(result.ok());
  const ScriptJob& job = result.value().job;
  CHECK(job.connection.host == "web");
  CHECK(job.connection.port == 22);
  CHECK(job.connection.user == "root");
  CHECK(job.connection.key_file == "/key");
  CHECK_FALSE(job.connection.forgets_host_key);
  CHECK(job.script == "echo\n");
  CHECK(job.directory.path() == "/var/tmp/foreman-ssh-cmd-id");
  CHECK(job.removes_directory);
  CHECK_FALSE(job.user.is_changed());
  CHECK_FALSE(result.value().timeout);
}

TEST_CASE("everything Foreman sends is read") {
  Json value = input();
  value.update(Json{{"ssh_user", "login"}, {"ssh_port", 2222}, {"effective_user", "other"}, {"effective_user_method", "su"},
                    {"cleanup_working_dirs", false}, {"remote_working_dir", "/opt/a b/"}, {"time_to_pickup", nullptr},
                    {"execution_timeout_interval", 90}, {"first_execution", true},
                    {"secrets", {{"ssh_password", "***"}}}, {"alternative_names", {{"fqdn", "web.example.com"}}}});
  const Json secrets = {{"ssh_password", "a"}, {"key_passphrase", "b"}, {"effective_user_password", "c"}};
  JobInputResult result = read(value, secrets);
  REQUIRE(result.ok());
  const ScriptJob& job = result.value().job;
  CHECK(job.connection.user == "login");
  CHECK(job.connection.port == 2222);
  CHECK(job.connection.password.reveal() == "a");
  CHECK(job.connection.passphrase.reveal() == "b");
  CHECK(job.connection.forgets_host_key);
  CHECK(job.user.method == UserMethod::kSu);
  CHECK(job.user.name == "other");
  CHECK(job.user.password.reveal() == "c");
  CHECK_FALSE(job.removes_directory);
  CHECK(job.directory.path() == "/opt/a b/foreman-ssh-cmd-id");
  CHECK(result.value().timeout == std::chrono::seconds(90));
}

TEST_CASE("nulls are what is left out") {
  Json value = input();
  for (const char* key : {"ssh_user", "ssh_port", "effective_user", "effective_user_method", "cleanup_working_dirs",
                          "remote_working_dir", "execution_timeout_interval", "secrets", "first_execution"}) {
    value[key] = nullptr;
  }
  JobInputResult result = read(value, Json{{"ssh_password", nullptr}, {"effective_user_password", ""}});
  REQUIRE(result.ok());
  CHECK(result.value().job.connection.user == "root");
  CHECK(result.value().job.connection.password.empty());
}

TEST_CASE("wrong input is said by name") {
  check_error(Json{{"script", "x"}}, "KeyError", "key not found: \"hostname\"");
  check_error(Json{{"hostname", "web"}}, "KeyError", "key not found: \"script\"");
  check_error(Json{{"hostname", ""}, {"script", "x"}}, "ArgumentError", "hostname must not be empty");
  check_error(Json{{"hostname", 7}, {"script", "x"}}, "TypeError", "hostname has to be a string");
  Json value = input();
  value["ssh_port"] = 70000;
  check_error(value, "ArgumentError", "ssh_port has to be from 1 to 65535");
  value["ssh_port"] = "2222";
  CHECK(read(value).ok());
  value["effective_user"] = "other";
  value["effective_user_method"] = "doas";
  check_error(value, "RuntimeError", "effective_user_method 'doas' not supported");
  value["effective_user_method"] = "sudo";
  value["remote_working_dir"] = "/a\nb";
  check_error(value, "ArgumentError", "remote_working_dir must not contain line ends");
}

TEST_CASE("a job whose passwords went with a restart is refused") {
  Json value = input();
  value["secrets"] = {{"ssh_password", "*****"}};
  CHECK_FALSE(read(value).ok());
  value["secrets"] = {{"ssh_password", nullptr}};
  CHECK(read(value).ok());
}

}  // namespace dynflow::remote_execution
