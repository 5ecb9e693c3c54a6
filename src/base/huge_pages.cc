#include "base/huge_pages.h"

#include <sys/mman.h>

#include <cstdlib>

#include "base/check.h"

namespace fallow {

void* allocate_huge(std::size_t bytes) {
  const std::size_t whole = (bytes + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  void* const memory = std::aligned_alloc(kHugePageBytes, whole);
  FALLOW_CHECK(memory != nullptr, "no {} bytes of memory are left", whole);
  // A wish: what the kernel makes of it changes nothing but the speed.
  (void)madvise(memory, whole, MADV_HUGEPAGE);
  return memory;
}

void free_huge(void* memory) { std::free(memory); }

}  // namespace fallow
