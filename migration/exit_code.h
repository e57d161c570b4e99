// How the program ends: stable numbers for installers.
#pragma once

namespace dynflow::migration {

enum class ExitCode {
  kFine = 0,          // fine, or nothing had to change
  kWarnings = 1,      // fine, but somebody should read the warnings
  kError = 2,         // wrong arguments, or it could not be done
  kChanged = 3,       // done, and something was changed
  kJobsRun = 4,       // refused because jobs run
  kInconsistent = 5,  // the site's state is contradictory
};

}  // namespace dynflow::migration
