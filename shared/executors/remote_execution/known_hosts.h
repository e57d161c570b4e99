// Editing of OpenSSH known_hosts files: forgetting a host, adding a key. Whole-file changes go through a temporary file and a rename,
// under a lock beside the file, so that several programs of ours never lose each other's lines.
//
// Threads: all functions may be called from any thread; they block on the lock and on the disk.
//
// Source of the format: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/base/result.h"

namespace dynflow::remote_execution {

// The name under which a host stands there: "host", or "[host]:port" when the port is not 22.
std::string known_hosts_name(std::string_view host, std::uint16_t port);

// True when the plain hosts field of a line ("a,b,*.c,!d") names `name` exactly; patterns never match, for they speak of
// other hosts as well.
bool names_host(std::string_view hosts_field, std::string_view name);

// `text` without what it knows about `name`: its own lines, plain or hashed, go; in lines with several hosts only the name goes. Comments, marked
// lines (@cert-authority, @revoked), patterns and what cannot be understood stay.
std::string without_host(std::string_view text, std::string_view name);

// Removes `host` and "[host]:port" from the file. A missing file is success. Errors: kFailed.
Status forget_host(const std::string& path, std::string_view host, std::uint16_t port);

// Appends a line ("host type key"), unless it is there already; makes file and directory (0600, 0700). Errors: kFailed.
Status add_line(const std::string& path, std::string_view line);

}  // namespace dynflow::remote_execution
