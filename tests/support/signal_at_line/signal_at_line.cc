// A library for LD_PRELOAD that sends a program a signal when it has written a certain line, before it does anything else: neither a program
// that is fast nor a test that is slow changes where it is met.
//
//   SIGNAL_AT_LINE  the line, without its end; written by one fwrite()
//   SIGNAL_NUMBER   the signal; it is sent once
//
// Threads: the interposed function may be called from any.
#include <dlfcn.h>
#include <signal.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

bool is_the_line(std::string_view text) {
  static const std::string line = setting("SIGNAL_AT_LINE") + "\n";
  static std::atomic<bool> was_met{false};
  return text == line && !was_met.exchange(true);
}

}  // namespace

extern "C" {
#pragma GCC visibility push(default)

std::size_t fwrite(const void* data, std::size_t size, std::size_t count, std::FILE* stream) {
  using Fwrite = std::size_t(const void*, std::size_t, std::size_t, std::FILE*);
  static auto* const really = reinterpret_cast<Fwrite*>(::dlsym(RTLD_NEXT, "fwrite"));
  const std::size_t written = really(data, size, count, stream);
  if (is_the_line({static_cast<const char*>(data), size * count})) {
    std::fflush(stream);
    ::raise(std::atoi(setting("SIGNAL_NUMBER").c_str()));
  }
  return written;
}

#pragma GCC visibility pop
}
