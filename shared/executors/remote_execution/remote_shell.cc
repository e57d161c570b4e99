#include "shared/executors/remote_execution/remote_shell.h"

#include <fmt/core.h>

namespace dynflow::remote_execution {
namespace {

// Reads a shell text up to its end line, byte by byte as POSIX wants `read` to, and runs it. No newline, backslash before a quote or
// exclamation mark: csh and fish take this line as well.
constexpr std::string_view kLoader =
    R"(exec /bin/sh -c 'n=$(printf "\nx"); n=${n%x}; b=; while IFS= read -r l; do test "$l" = "#end" && break; )"
    R"(b=$b$l$n; done; eval "$b"')";

constexpr std::string_view kUpload = R"sh(trap '' PIPE
say() { printf '%s %s %s\n' "$m" "$1" "$2" || rm -rf "$d"; }
fail() { rm -rf "$d"; say "$1" "$2"; exit 0; }
mkdir -p "$base" || { say mkdir $?; exit 0; }
umask 077
mkdir "$d" || { say mkdir $?; exit 0; }
wrapper > "$d/script-wrapper" && : > "$d/output" && cat > "$d/$file" || fail upload $?
test $(( $(wc -c < "$d/$file") )) -eq "$size" || fail upload 1
if test "$file" != script; then
  printf '#!/bin/sh\nexec true\n' > "$d/script" || fail upload $?
fi
chmod 600 "$d/output" && chmod 500 "$d/script" "$d/script-wrapper" "$d/$file" || fail upload $?
if test -n "$reader"; then
  case $acl in
    never) code=1;;
    *) setfacl -m "u:$reader:x" "$d" && setfacl -m "u:$reader:rx" "$d/script" "$d/$file"; code=$?;;
  esac
  if test $code -ne 0; then
    test "$acl" = require && fail acl $code
    chmod 711 "$d" && chmod 555 "$d/script" "$d/$file" || fail acl $?
    test "$acl" = prefer && say open $code
  fi
fi
"$d/script-wrapper" check < /dev/null
code=$?
test $code -eq 0 || fail exec $code
say ready 0
)sh";

// Prints "<pid> <parent> <session> <state>" for all processes, zombies left out; then those that belong to the job: members of
// the wrapper's session and everything below them, without the wrapper, the shells above it and its direct children (its own subshell
// and tee), which end by themselves and hand on the exit status. Parents stand before their children: a shell that sees only its
// child killed would go on with the next line of the script.
constexpr std::string_view kStop = R"sh(
pause() { sleep 0.2 2>/dev/null || sleep 1; }
table() {
  if test -r /proc/self/stat; then
    cat /proc/[0-9]*/stat 2>/dev/null |
      sed -n 's/^\([0-9][0-9]*\) (.*) \([A-Za-z]\) \([0-9][0-9]*\) [0-9-]* \([0-9-]*\) .*/\1 \3 \4 \2/p'
  else
    ps -A -o pid= -o ppid= -o pgid= -o s= 2>/dev/null || ps -A -o pid= -o ppid= -o pgid=
  fi
}
tree() {
  table | awk -v w="$w" '
    $4 ~ /^Z/ { next }
    { parent[$1] = $2; session[$1] = $3 }
    END {
      s = (w in session) ? session[w] : w
      for (x = w; (x in parent) && x + 0 > 1; x = parent[x]) above[x] = 1
      for (x in parent) if (session[x] == s && !(x in above)) found[x] = 1
      do {
        more = 0
        for (x in parent)
          if (!(x in found) && !(x in above) && ((parent[x] in found) || parent[x] == w)) { found[x] = 1; more = 1 }
      } while (more)
      deepest = 0
      for (x in found) {
        depth[x] = 0
        for (y = x; (y in parent) && y != w && depth[x] < 1000; y = parent[y]) depth[x]++
        if (depth[x] > deepest) deepest = depth[x]
      }
      for (level = 0; level <= deepest; level++)
        for (x in found) if (depth[x] == level && parent[x] != w) printf "%s ", x
    }'
}
send() {
  kill "$1" $t 2>/dev/null
  test -n "$as" && printf '%s\n' "$password" | eval "$as kill $1 $t" >/dev/null 2>&1
}
w=
i=0
while test $i -lt 25; do
  w=$(cat "$d/pid" 2>/dev/null)
  test -n "$w" && break
  test -d "$d" || break
  pause
  i=$((i + 1))
done
test -n "$w" || { echo "$m stopped"; exit 0; }
start=$(date +%s)
t=$(tree)
test -n "$t" && send -TERM
while t=$(tree); test -n "$t"; do
  test $(($(date +%s) - start)) -ge "$grace" && break
  pause
done
i=0
while t=$(tree); test -n "$t" && test $i -lt 25; do
  send -KILL
  pause
  i=$((i + 1))
done
if test -n "$t"; then echo "$m left" $t; else echo "$m stopped"; fi
)sh";

std::string assign(std::string_view name, std::string_view value) {
  return fmt::format("{}={}\n", name, shell_quote(value));
}

std::string_view to_string(AclPolicy policy) {
  switch (policy) {
    case AclPolicy::kRequire: return "require";
    case AclPolicy::kPrefer: return "prefer";
    case AclPolicy::kNever: return "never";
  }
  return "prefer";
}

}  // namespace

std::string shell_quote(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  quoted += '\'';
  return quoted;
}

std::string shell_on_stdin_command() { return std::string(kLoader); }

std::string shell_on_stdin(std::string_view text) {
  std::string sent(text);
  if (!sent.ends_with('\n')) sent += '\n';
  sent += "#end\n";
  return sent;
}

std::string upload_text(const RemoteDirectory& directory, const UploadOptions& options) {
  std::string text = assign("m", directory.marker());
  text += assign("base", directory.base);
  text += assign("d", directory.path());
  text += assign("file", options.stages_script ? "script.job" : "script");
  text += assign("size", std::to_string(options.script_bytes));
  text += assign("reader", options.reader);
  text += assign("acl", to_string(options.acl));
  text += fmt::format("wrapper() {{ printf '%s' {}\n}}\n", shell_quote(options.wrapper));
  text += kUpload;
  return text;
}

std::string wrapper_text(const RemoteDirectory& directory, const WrapperOptions& options) {
  std::string text = "#!/bin/sh\ntest \"$1\" = check && exit 0\n";
  text += assign("d", directory.path());
  // The output may hold what the script must not show twice or changed: no echo, no carriage returns, no signals from input bytes.
  text += "stty -echo -onlcr -isig -ixon 2>/dev/null\n";
  // Handled and not ignored, so that the script gets the default; this shell outlives the script to hand on its status.
  text += "trap : TERM INT QUIT\n";
  text += "echo $$ > \"$d/pid\"\n";
  const std::string remove = options.removes_directory ? "rm -rf \"$d\"\n" : "";
  if (options.changes_user) {
    text += fmt::format("trap '{}exit 129' HUP\n", options.removes_directory ? "rm -rf \"$d\"; " : "");
    text += options.run_command;
    text += "\ncode=$?\n";
    text += fmt::format("if test $code -ne 0; then\n{}printf '%s user %s\\n' {} $code\nexit 1\nfi\n", remove,
                        shell_quote(directory.marker()));
    text += "mv -f \"$d/script.job\" \"$d/script\"\n";
    text += fmt::format("printf '%s user 0\\n' {}\n", shell_quote(directory.marker()));
  }
  // A terminal that is hung up ends this shell, which leads the session: only then does the kernel tell the script. So the
  // subshell cleans up in that case; it knows by the terminal that is one no more.
  text += "trap - HUP\ntty=; test -t 0 && tty=1\n";
  const std::string_view remove_after_hangup =
      options.removes_directory ? "test -n \"$tty\" && { test -t 0 || rm -rf \"$d\"; }\n" : "";
  text += fmt::format(
      "(\ntrap : HUP TERM INT QUIT\n{}\necho $? > \"$d/exit_code\"\n{}) 2>&1 | (trap '' HUP TERM INT QUIT; exec tee "
      "\"$d/output\")\n",
      options.run_command, remove_after_hangup);
  text += "code=$(cat \"$d/exit_code\" 2>/dev/null)\n";
  text += remove;
  text += "exit ${code:-1}\n";
  return text;
}

std::string stop_text(const RemoteDirectory& directory, const StopOptions& options) {
  std::string text = assign("m", directory.marker());
  text += assign("d", directory.path());
  text += assign("grace", std::to_string(std::chrono::ceil<std::chrono::seconds>(options.grace).count()));
  text += assign("as", options.kill_command);
  text += assign("password", options.password.reveal());
  text += kStop;
  return text;
}

std::string remove_text(const RemoteDirectory& directory) {
  return fmt::format("rm -rf {}\n", shell_quote(directory.path()));
}

std::optional<Report> take_report(std::string& text, std::string_view marker) {
  const std::string wanted = std::string(marker) + ' ';
  std::size_t from = 0;
  while (true) {
    const std::size_t start = text.find(wanted, from);
    if (start == std::string::npos) return std::nullopt;
    const std::size_t end = text.find('\n', start);
    if (end == std::string::npos) return std::nullopt;
    std::string line = text.substr(start + wanted.size(), end - start - wanted.size());
    if (line.ends_with('\r')) line.pop_back();
    text.erase(start, end + 1 - start);
    const std::size_t blank = line.find(' ');
    if (blank == std::string::npos) return Report{std::move(line), {}};
    return Report{line.substr(0, blank), line.substr(blank + 1)};
  }
}

}  // namespace dynflow::remote_execution
