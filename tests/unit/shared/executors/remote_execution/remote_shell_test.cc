// The texts are run by the real /bin/sh here, with files in place of a host.
#include "shared/executors/remote_execution/remote_shell.h"

#include <catch2/catch.hpp>

#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace dynflow::remote_execution {
namespace {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/remote-shell-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Ran {
  int status;
  std::string output;
};

// As sshd does: `command` by a shell, `input` on its standard input.
Ran run(const Folder& folder, const std::string& command, const std::string& input) {
  std::ofstream(folder.file("input"), std::ios::binary) << input;
  std::ofstream(folder.file("command"), std::ios::binary) << command << "\n";
  // Through a pipe, so that nothing can seek back.
  const std::string line = "cat " + folder.file("input") + " | /bin/sh " + folder.file("command") + " > " +
                           folder.file("out") + " 2>&1";
  const int status = std::system(line.c_str());
  return {WEXITSTATUS(status), read(folder.file("out"))};
}

RemoteDirectory directory(const Folder& folder, const std::string& base = "base") {
  return {folder.file(base), "0b6b3f9e-1f0a-4b5e-8a3c-2f6f1c1e7a10"};
}

std::string upload_input(const RemoteDirectory& where, const std::string& script, UploadOptions options = {}) {
  options.script_bytes = script.size();
  WrapperOptions wrapper;
  wrapper.run_command = shell_quote(where.file("script")) + " < /dev/null";
  options.wrapper = wrapper_text(where, wrapper);
  return shell_on_stdin(upload_text(where, options)) + script;
}

}  // namespace

TEST_CASE("quoting gives one word") {
  const Folder folder;
  for (const std::string text : {"plain", "a b", "it's", "''", "$HOME `id` \\ \"x\"", "-n", "a\nb", "*;&|<>", "\xC3\xA4"}) {
    CHECK(run(folder, "printf %s " + shell_quote(text), "").output == text);
  }
}

TEST_CASE("names on the host are those that people know") {
  const RemoteDirectory where{"/var/tmp", "u-u-i-d"};
  CHECK(where.path() == "/var/tmp/foreman-ssh-cmd-u-u-i-d");
  CHECK(where.file("script-wrapper") == "/var/tmp/foreman-ssh-cmd-u-u-i-d/script-wrapper");
}

TEST_CASE("the loader line needs nothing of a login shell") {
  const std::string line = shell_on_stdin_command();
  CHECK(line.find('!') == std::string::npos);
  CHECK(line.find('\n') == std::string::npos);
  CHECK(std::count(line.begin(), line.end(), '\'') == 2);
}

TEST_CASE("a text leaves the rest of the input to its commands") {
  const Folder folder;
  const Ran ran = run(folder, shell_on_stdin_command(), shell_on_stdin("echo \"a\\tb  c\"\ncat") + "rest\n#end\nmore");
  CHECK(ran.output.ends_with("rest\n#end\nmore"));
}

TEST_CASE("upload puts files where they belong, byte for byte") {
  const Folder folder;
  const RemoteDirectory where = directory(folder, "b a'se\"$x");
  std::string script = "#!/bin/sh\nprintf 'caf\xC3\xA9 \\\\ \\n'\n";
  script += std::string("# \x81\x88\xff\x00 end", 10);
  const Ran ran = run(folder, shell_on_stdin_command(), upload_input(where, script));
  CHECK(ran.output == where.marker() + " ready 0\n");
  CHECK(read(where.file("script")) == script);
  CHECK(std::filesystem::status(where.path()).permissions() == std::filesystem::perms(0700));
  CHECK(std::filesystem::status(where.file("script")).permissions() == std::filesystem::perms(0500));
  CHECK(std::filesystem::status(where.file("script-wrapper")).permissions() == std::filesystem::perms(0500));
  CHECK(std::filesystem::status(where.file("output")).permissions() == std::filesystem::perms(0600));
}

TEST_CASE("a script that arrives in part is not kept") {
  const Folder folder;
  const RemoteDirectory where = directory(folder);
  std::string input = upload_input(where, "echo whole\n");
  input.resize(input.size() - 3);
  CHECK(run(folder, shell_on_stdin_command(), input).output == where.marker() + " upload 1\n");
  CHECK_FALSE(std::filesystem::exists(where.path()));
}

TEST_CASE("a directory that exists already is not taken over") {
  const Folder folder;
  const RemoteDirectory where = directory(folder);
  std::filesystem::create_directories(where.path());
  const Ran ran = run(folder, shell_on_stdin_command(), upload_input(where, "true\n"));
  CHECK(ran.output.find(where.marker() + " mkdir 1\n") != std::string::npos);
  CHECK(std::filesystem::exists(where.path()));
}

TEST_CASE("without ACLs a reader gets modes, and the script waits behind its trial") {
  const Folder folder;
  const RemoteDirectory where = directory(folder);
  UploadOptions options;
  options.reader = "nobody";
  options.stages_script = true;
  options.acl = AclPolicy::kNever;
  CHECK(run(folder, shell_on_stdin_command(), upload_input(where, "echo job\n", options)).output ==
        where.marker() + " ready 0\n");
  CHECK(read(where.file("script")) == "#!/bin/sh\nexec true\n");
  CHECK(read(where.file("script.job")) == "echo job\n");
  CHECK(std::filesystem::status(where.path()).permissions() == std::filesystem::perms(0711));
  CHECK(std::filesystem::status(where.file("script.job")).permissions() == std::filesystem::perms(0555));
}

TEST_CASE("the wrapper hands on output and status, and removes everything") {
  const Folder folder;
  const RemoteDirectory where = directory(folder);
  run(folder, shell_on_stdin_command(), upload_input(where, "echo out; echo err >&2; exit 42\n"));
  const Ran ran = run(folder, "exec " + shell_quote(where.file("script-wrapper")), "");
  CHECK(ran.output == "out\nerr\n");
  CHECK(ran.status == 42);
  CHECK_FALSE(std::filesystem::exists(where.path()));
}

TEST_CASE("a change of user that fails runs nothing") {
  const Folder folder;
  const RemoteDirectory where = directory(folder);
  std::filesystem::create_directories(where.path());
  WrapperOptions options;
  options.run_command = "(exit 9)";
  options.changes_user = true;
  std::ofstream(where.file("script.job")) << "echo must not run\n";
  const Ran ran = run(folder, wrapper_text(where, options), "");
  CHECK(ran.output == where.marker() + " user 9\n");
  CHECK_FALSE(std::filesystem::exists(where.path()));
}

TEST_CASE("stopping what is not there says so at once") {
  const Folder folder;
  const RemoteDirectory where = directory(folder);
  CHECK(run(folder, shell_on_stdin_command(), shell_on_stdin(stop_text(where, {}))).output == where.marker() + " stopped\n");
}

TEST_CASE("reports are taken out of whatever else is said") {
  std::string text = "welcome\nm ready 0\r\nm left 1 2\nm unfinis";
  auto report = take_report(text, "m");
  REQUIRE(report);
  CHECK(report->stage == "ready");
  CHECK(report->detail == "0");
  report = take_report(text, "m");
  REQUIRE(report);
  CHECK(report->stage == "left");
  CHECK(report->detail == "1 2");
  CHECK_FALSE(take_report(text, "m"));
  CHECK(text == "welcome\nm unfinis");
}

}  // namespace dynflow::remote_execution
