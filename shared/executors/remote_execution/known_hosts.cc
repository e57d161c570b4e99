#include "shared/executors/remote_execution/known_hosts.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <libssh/libssh.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include "shared/base/fd.h"
#include "shared/base/file.h"
#include "shared/base/letter_case.h"

namespace dynflow::remote_execution {
namespace {

constexpr std::string_view kBlanks = " \t";

Error failure(std::string_view what, const std::string& path) {
  return Error(Code::kFailed, fmt::format("{} {}: {}", what, path, std::strerror(errno)));
}

// "|1|<salt>|<HMAC-SHA1 of the name with the salt as key>". libssh wants the whole line, and a key in it that it understands.
bool hash_names_host(std::string_view line, std::string_view name) {
  ssh_knownhosts_entry* entry = nullptr;
  if (ssh_known_hosts_parse_line(std::string(name).c_str(), std::string(line).c_str(), &entry) != SSH_OK) return false;
  ssh_knownhosts_entry_free(entry);
  return true;
}

template <class F>
void for_each_name(std::string_view field, F&& visit) {
  while (true) {
    const std::size_t comma = field.find(',');
    visit(field.substr(0, comma));
    if (comma == std::string_view::npos) return;
    field.remove_prefix(comma + 1);
  }
}

// A line without `name`: nothing when the whole line is about it.
std::optional<std::string> line_without_host(std::string_view line, std::string_view name) {
  const std::size_t start = line.find_first_not_of(kBlanks);
  if (start == std::string_view::npos || line[start] == '#' || line[start] == '@') return std::string(line);
  const std::size_t end = line.find_first_of(kBlanks, start);
  const std::string_view field = line.substr(start, end == std::string_view::npos ? end : end - start);
  if (field.starts_with('|')) {
    if (hash_names_host(line.substr(start), lower_case(name))) return std::nullopt;
    return std::string(line);
  }
  if (end == std::string_view::npos || !names_host(field, name)) return std::string(line);
  std::string kept;
  for_each_name(field, [&](std::string_view each) {
    if (lower_case(each) == lower_case(name)) return;
    if (!kept.empty()) kept += ',';
    kept += each;
  });
  if (kept.empty()) return std::nullopt;
  return fmt::format("{}{}{}", line.substr(0, start), kept, line.substr(end));
}

// Held as long as the object lives. The lock is a file of its own, because the known_hosts file is replaced.
Result<Fd> lock_beside(const std::string& path) {
  const std::string lock_path = path + ".lock";
  Fd fd(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return failure("cannot open", lock_path);
  while (::flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return failure("cannot lock", lock_path);
  }
  return fd;
}

// What is not there is empty.
Result<std::string> text_of(const std::string& path) {
  auto text = read_file(path);
  if (!text && text.error().code() == Code::kNotFound) return std::string();
  return text;
}

}  // namespace

std::string known_hosts_name(std::string_view host, std::uint16_t port) {
  if (port == 22) return std::string(host);
  return fmt::format("[{}]:{}", host, port);
}

bool names_host(std::string_view hosts_field, std::string_view name) {
  const std::string wanted = lower_case(name);
  bool is_named = false;
  for_each_name(hosts_field, [&](std::string_view each) { is_named = is_named || lower_case(each) == wanted; });
  return is_named;
}

std::string without_host(std::string_view text, std::string_view name) {
  std::string kept;
  kept.reserve(text.size());
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const bool has_end = end != std::string_view::npos;
    if (const auto line = line_without_host(text.substr(0, end), name)) {
      kept += *line;
      if (has_end) kept += '\n';
    }
    text.remove_prefix(has_end ? end + 1 : text.size());
  }
  return kept;
}

Status forget_host(const std::string& path, std::string_view host, std::uint16_t port) {
  if (::access(path.c_str(), F_OK) != 0) return {};
  Result<Fd> lock = lock_beside(path);
  if (!lock) return lock.error();
  Result<std::string> text = text_of(path);
  if (!text) return text.error();
  std::string kept = without_host(*text, host);
  kept = without_host(kept, fmt::format("[{}]:{}", host, port));
  if (kept == *text) return {};
  // Only root can and needs to keep a foreign owner.
  return replace_file(path, kept, {.new_mode = 0600, .must_keep_owner = false});
}

Status add_line(const std::string& path, std::string_view line) {
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  if (!directory.empty() && ::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return failure("cannot make", directory.string());
  }
  Result<Fd> lock = lock_beside(path);
  if (!lock) return lock.error();
  Result<std::string> text = text_of(path);
  if (!text) return text.error();
  std::string wanted(line);
  while (wanted.ends_with('\n')) wanted.pop_back();
  if (("\n" + *text).find("\n" + wanted + "\n") != std::string::npos) return {};
  const Fd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return failure("cannot open", path);
  // One write, so that other programs that append keep whole lines.
  const bool needs_end = !text->empty() && !text->ends_with('\n');
  const Status written = write_all(fd, fmt::format("{}{}\n", needs_end ? "\n" : "", wanted));
  return written ? Status() : Status(written.error().in("cannot write " + path));
}

}  // namespace dynflow::remote_execution
