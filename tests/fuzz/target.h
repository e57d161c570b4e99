// What a fuzz target is: one function over bytes from outside that aborts when a promise does not hold.
//
// Threads: one.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string_view>

void fuzz(std::string_view bytes);

// A promise about what was parsed; stays in release builds.
#define fuzz_check(promise)                                                        \
  do {                                                                             \
    if (!(promise)) {                                                              \
      std::fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #promise);   \
      std::abort();                                                                \
    }                                                                              \
  } while (false)
