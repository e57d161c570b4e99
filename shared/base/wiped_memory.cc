#include "shared/base/wiped_memory.h"

#include <malloc.h>
#include <string.h>

#include <cstdlib>
#include <new>

namespace dynflow {

void wipe(std::span<char> bytes) {
  if (!bytes.empty()) ::explicit_bzero(bytes.data(), bytes.size());
}

void wipe(std::string& text) {
  ::explicit_bzero(text.data(), text.size());
  text.clear();
}

[[gnu::noinline]] void wipe_unused_stack() {
  char unused[kWipedStack];
  ::explicit_bzero(unused, sizeof unused);
}

}  // namespace dynflow

// Sanitizers have operators of their own, which find more than secrets.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define DYNFLOW_HAS_SANITIZER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DYNFLOW_HAS_SANITIZER
#endif

#ifndef DYNFLOW_HAS_SANITIZER

namespace {

void* allocate(std::size_t size) {
  for (;;) {
    if (void* block = std::malloc(size > 0 ? size : 1); block != nullptr) return block;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

void* allocate(std::size_t size, std::size_t alignment) {
  for (;;) {
    void* block = nullptr;
    if (::posix_memalign(&block, alignment < sizeof(void*) ? sizeof(void*) : alignment, size > 0 ? size : 1) == 0) return block;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

void release(void* block) noexcept {
  if (block == nullptr) return;
  ::explicit_bzero(block, ::malloc_usable_size(block));
  std::free(block);
}

void release(void* block, std::size_t size) noexcept {
  if (block == nullptr) return;
  ::explicit_bzero(block, size);
  std::free(block);
}

}  // namespace

// The forms for arrays and those without exceptions come from the library and call these.
void* operator new(std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, std::align_val_t alignment) { return allocate(size, static_cast<std::size_t>(alignment)); }
void operator delete(void* block) noexcept { release(block); }
void operator delete(void* block, std::size_t size) noexcept { release(block, size); }
void operator delete(void* block, std::align_val_t) noexcept { release(block); }
void operator delete(void* block, std::size_t size, std::align_val_t) noexcept { release(block, size); }

#endif
