// Memory that once held a secret holds it no longer when it is free: what operator delete gives back is overwritten first, in
// every library of the process (wiped_memory.cc). What stays in use has to be wiped where it is used up: buffers that are used
// again, and stacks.
//
// Threads: pure functions. Cost: that of memset.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace dynflow {

// Overwrites the bytes; the compiler does not leave it out.
void wipe(std::span<char> bytes);
// Overwrites the text and makes it empty. Its memory stays with it.
void wipe(std::string& text);

// Overwrites the part of this thread's stack that calls which have returned may have used, as far as kWipedStack bytes below the
// caller. For threads that go on after they had secrets in hand.
void wipe_unused_stack();
inline constexpr std::size_t kWipedStack = 64 * 1024;

}  // namespace dynflow
