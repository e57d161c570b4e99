// What holds for a document that was taken, whatever form it came in: it can be written as JSON, read again, and says the same.
//
// Threads: one.
#pragma once

#include <string>

#include "shared/json/json.h"
#include "tests/fuzz/target.h"

// Small enough that a fuzzer reaches them.
inline dynflow::json::Limits small_limits() {
  dynflow::json::Limits limits;
  limits.bytes = 64 * 1024;
  limits.keys = 100;
  limits.values = 1000;
  return limits;
}

inline void check_document(const dynflow::Result<dynflow::Json>& parsed) {
  if (!parsed) {
    fuzz_check(!parsed.error().message().empty());
    return;
  }
  const std::string text = dynflow::json::dump(*parsed);
  const auto again = dynflow::json::parse(text);
  fuzz_check(static_cast<bool>(again));
  fuzz_check(dynflow::json::dump(*again) == text);
}
