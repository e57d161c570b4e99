// The POSIX shell texts that run on hosts: upload, run, stop, clean up. Everything that comes from outside is quoted.
//
// A host sees the directory <base>/foreman-ssh-cmd-<uuid> with the files script, script-wrapper, output, exit_code and pid, as with
// the Ruby proxy; administrators look into them.
//
// Threads: pure functions.
//
// Source of behaviour: theforeman/smart_proxy_remote_execution_ssh v1.0.1, runners/script_runner.rb:146-215.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shared/base/clock.h"
#include "shared/base/secret.h"

namespace dynflow::remote_execution {

// 'text' so that any POSIX shell, csh and fish included, reads it as one word (csh: unless it has "!" or a newline).
std::string shell_quote(std::string_view text);

// What to do when another user has to read the uploaded files.
enum class AclPolicy {
  kRequire,  // setfacl or failure
  kPrefer,   // setfacl, else modes 0555 and 0711 with a remark
  kNever,    // modes 0555 and 0711
};

struct RemoteDirectory {
  std::string base;  // "/var/tmp"
  std::string id;    // a UUID
  std::string path() const { return base + "/foreman-ssh-cmd-" + id; }
  std::string file(std::string_view name) const { return path() + "/" + std::string(name); }
  // Begins every line by which the texts below report to us; unguessable for scripts that run there.
  std::string marker() const { return "foreman-rex-" + id; }
};

// The command line for an `exec` request that runs a shell text sent on its standard input: works with every login shell, needs no
// quoting of the text, and leaves what follows the text on standard input to the text's own commands.
std::string shell_on_stdin_command();
// `text` as that command expects it.
std::string shell_on_stdin(std::string_view text);

struct UploadOptions {
  std::size_t script_bytes = 0;
  std::string wrapper;                   // text of script-wrapper
  std::string reader;                    // user that must be able to run the script; empty: only the login user and root
  // A script that does nothing comes into the script's place first, for the trial of a change of user.
  bool stages_script = false;
  AclPolicy acl = AclPolicy::kPrefer;
};

// Makes the directory, writes wrapper and script (the rest of standard input), and proves that programs run from there. Prints one
// report line: "<marker> <stage> <code>" with the stage `ready`, `mkdir`, `upload`, `acl` or `exec`; a line with the stage `open`
// before it says that modes were used where ACLs were wanted. Leaves nothing behind unless it is `ready`.
std::string upload_text(const RemoteDirectory& directory, const UploadOptions& options);

struct WrapperOptions {
  // Command line that runs the script, its standard input included; quoted.
  std::string run_command;
  // True when run_command changes the user: it is then tried first with a script that does nothing, and the result reported by a
  // line "<marker> user <code>".
  bool changes_user = false;
  bool removes_directory = true;
};

// script-wrapper: runs on a terminal, which it sets to neither echo nor add carriage returns, with the script's output also in the file
// `output`; ends with the script's status.
std::string wrapper_text(const RemoteDirectory& directory, const WrapperOptions& options);

struct StopOptions {
  Duration grace = std::chrono::seconds(10);
  // Command that runs `kill` as somebody who may end the script, reading `password` as a line from standard input; empty: not needed.
  std::string kill_command;
  Secret password;
};

// Ends everything the wrapper started: TERM, after the grace KILL, and looks whether it is gone. Prints "<marker> stopped" or
// "<marker> left <pids>".
std::string stop_text(const RemoteDirectory& directory, const StopOptions& options);

std::string remove_text(const RemoteDirectory& directory);

// One report line found in output.
struct Report {
  std::string stage;
  std::string detail;  // the rest of the line
};
// Takes complete report lines out of `text`, which keeps what is not ours (a partial line too).
std::optional<Report> take_report(std::string& text, std::string_view marker);

}  // namespace dynflow::remote_execution
