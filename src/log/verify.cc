#include "log/verify.h"

namespace fallow::log {

Result<Head> verify(LogReader& log) {
  constexpr std::size_t kPageBytes = std::size_t{4} << 20;
  Head head = genesis_head();
  for (;;) {
    FALLOW_ASSIGN(const std::vector<Entry> page, log.read(head.last + LogIndex(1), kPageBytes));
    if (page.empty()) return head;
    head = page.back().head();
  }
}

}  // namespace fallow::log
