#include "shared/runner/runner.h"

#include "shared/json/json.h"

namespace dynflow::runner {

Json ExitStatus::to_json() const { return code_ ? Json(*code_) : Json("EXCEPTION"); }

void Runner::timeout() {
  publisher_.publish("debug", "Timeout for execution passed, trying to stop the job");
  kill();
}

void Runner::external_event(const Json&) {}

void Runner::refresh() {}

void Runner::hold_output(bool /*is_held*/) {}

}  // namespace dynflow::runner
