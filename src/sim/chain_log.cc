#include "sim/chain_log.h"

#include <algorithm>

#include "base/check.h"
#include "log/entry.h"

namespace fallow::sim {

Result<log::Head> ChainLog::head_at(LogIndex last) {
  if (last == head_.last) return head_;
  return fail(ErrorCode::kNotFound, "this log keeps only its end, not where command {} was",
              last.value);
}

Result<std::vector<log::Entry>> ChainLog::read(LogIndex from, std::size_t) {
  FALLOW_CHECK(from.value > 0, "commands are numbered from 1");
  if (from > head_.last) return std::vector<log::Entry>();
  return fail(ErrorCode::kNotFound, "this log keeps no command, not number {} either", from.value);
}

Result<log::Appended> ChainLog::append(const log::EncodedBatch& batch, Time now) {
  FALLOW_TRY(batch.check());
  const LogIndex first = head_.last + LogIndex(1);
  const Time time = std::max(now, head_.time);
  head_.chain = log::chain_after(head_.chain, first, time, batch.size(), batch.body());
  head_.last = LogIndex(head_.last.value + batch.size());
  head_.time = time;
  bytes_ += batch.body().size();
  ++entries_;
  return log::Appended{first, head_.last, head_.time, head_.chain};
}

}  // namespace fallow::sim
