// What user code threw, as it is stored.
//
// Threads: pure functions.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "shared/persistence/records.h"

namespace dynflow::engine {

// ActionError gives its own class name, anything else is a RuntimeError. Texts are cut to 64 KiB and made storable.
persistence::StepError to_step_error(const std::exception& e);
// For what is no exception.
persistence::StepError unknown_error();

// Runs `body`; what it threw, whatever that was.
template <class Body>
std::optional<persistence::StepError> error_of(Body&& body) {
  try {
    std::forward<Body>(body)();
    return std::nullopt;
  } catch (const std::exception& e) {
    return to_step_error(e);
  } catch (...) {
    return unknown_error();
  }
}

}  // namespace dynflow::engine
