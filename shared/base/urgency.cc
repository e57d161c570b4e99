#include "shared/base/urgency.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

namespace dynflow {
namespace {

constexpr int kNiceness = 5;

}  // namespace

void give_way() {
  // Errors leave the thread as urgent as the others, no more. Linux has both for each thread.
  const sched_param none{};
  (void)::sched_setscheduler(0, SCHED_BATCH, &none);
  const auto self = static_cast<id_t>(::gettid());
  if (::getpriority(PRIO_PROCESS, self) < kNiceness) (void)::setpriority(PRIO_PROCESS, self, kNiceness);
}

}  // namespace dynflow
