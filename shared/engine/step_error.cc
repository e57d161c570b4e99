#include "shared/engine/step_error.h"

#include "shared/engine/action.h"
#include "shared/engine/storable.h"

namespace dynflow::engine {

namespace {

constexpr std::size_t kMaxErrorBytes = 64 * 1024;

}  // namespace

persistence::StepError to_step_error(const std::exception& e) {
  const auto* known = dynamic_cast<const ActionError*>(&e);
  persistence::StepError error;
  error.exception_class = storable_text(known ? known->exception_class() : "RuntimeError");
  error.message = storable_text(std::string(e.what()).substr(0, kMaxErrorBytes));
  return error;
}

persistence::StepError unknown_error() { return {"UnknownError", "something that is no exception was thrown", {}}; }

}  // namespace dynflow::engine
