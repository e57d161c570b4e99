// The document behind /logs: the last log records (smart-proxy 3.11, modules/logs/logs_api.rb and
// lib/proxy/log_buffer/buffer.rb).
//
// Threads: a pure function of the buffer, which is safe from any thread.
#pragma once

#include <string>
#include <string_view>

#include "shared/base/clock.h"
#include "shared/log/buffer.h"

namespace dynflow::proxy {

// Tail, then main, oldest first, from `from` on.
std::string logs_document(const log::Buffer& buffer, Time from);

// Seconds since the epoch as `from_timestamp` gives them; what is no number means the beginning of time.
Time parse_from_timestamp(std::string_view text);

}  // namespace dynflow::proxy
