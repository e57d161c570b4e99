#include "shared/base/fd.h"

#include <unistd.h>

namespace dynflow {

void Fd::reset(int fd) {
  if (fd_ >= 0 && fd_ != fd) ::close(fd_);
  fd_ = fd;
}

}  // namespace dynflow
