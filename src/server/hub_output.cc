// What workloads write, as it comes through the hub: see hub.h.
#include <utility>

#include "server/hub.h"

namespace fallow::server {

void Hub::log_chunk(SessionId id, Session& session, v1::LogChunk chunk) {
  if (chunk.data().size() > limits_.log_bytes_per_chunk_max) {
    say_goodbye(id, session, "protocol", "a piece of output is larger than 256 KiB");
    return;
  }
  const LeaseId of(chunk.lease());
  if (session.leases_known.contains(of) && !session.chunks_waiting.contains(of)) {
    store_chunk(id, chunk);
    return;
  }
  v1::HubMessage refusal;
  refusal.mutable_log_ack()->set_lease(chunk.lease());
  refusal.mutable_log_ack()->set_stream(chunk.stream());
  refusal.mutable_log_ack()->set_offset(chunk.offset());
  refusal.mutable_log_ack()->set_again(true);
  const bool taken =
      port_.read([this, id, of, chunk = std::move(chunk)](const core::Machine& machine) {
        const std::lock_guard lock(mutex_);
        Session* open = find(id);
        if (open == nullptr || open->stage != Stage::kOpen) return;
        if (const auto waiting = open->chunks_waiting.find(of); --waiting->second == 0) {
          open->chunks_waiting.erase(waiting);
        }
        const core::Lease* lease = machine.lease(of);
        if (lease == nullptr || lease->node != open->node) {
          say_goodbye(id, *open, "denied", "output was sent for a lease that is not this node's");
          return;
        }
        if (open->leases_known.size() >= limits_.leases_known_max) {
          open->leases_known.erase(open->leases_known.begin());
        }
        open->leases_known.insert(lease->id);
        store_chunk(id, chunk);
      });
  if (taken) {
    ++session.chunks_waiting[of];
  } else {
    port_.send(id, refusal);
  }
}

void Hub::store_chunk(SessionId id, const v1::LogChunk& chunk) {
  v1::HubMessage ack;
  ack.mutable_log_ack()->set_lease(chunk.lease());
  ack.mutable_log_ack()->set_stream(chunk.stream());
  const std::uint64_t reach = port_.store_log(chunk);
  ack.mutable_log_ack()->set_offset(reach);
  // There is a gap before it, or the disk did not take it.
  ack.mutable_log_ack()->set_again(reach < chunk.offset() + chunk.data().size());
  port_.send(id, ack);
}

}  // namespace fallow::server
