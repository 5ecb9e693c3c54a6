// Frames of agents: whatever a connection sends to the hub, before and after it is challenged.
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "server/hub.h"

namespace {

using namespace fallow;

class StillClock final : public Clock {
 public:
  Time now() const override { return Time{1}; }
  Time monotonic() const override { return Time{1}; }
};

// A market without nodes: everybody is a stranger.
class Port final : public server::HubPort {
 public:
  void send(server::SessionId, const v1::HubMessage&) override {}
  void close(server::SessionId) override {}
  Status submit(const v1::Command&, server::Stored) override { return {}; }
  bool work(std::function<void()>) override { return true; }
  bool read(std::function<void(const core::Machine&)> visit) override {
    reads.push_back(std::move(visit));
    return true;
  }
  std::uint64_t store_log(const v1::LogChunk&) override { return 0; }
  void keep_telemetry(NodeId, v1::Telemetry) override {}
  std::vector<NodeId> nodes_watched() override { return {NodeId(1)}; }
  std::vector<std::function<void(const core::Machine&)>> reads;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const core::Machine machine;
  StillClock clock;
  const auto random = seeded_random(1);
  Port port;
  server::Hub hub(port, clock, *random);
  const server::SessionId session(1);
  hub.opened(session);
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  // Two messages, so that the second meets every state the first may leave.
  const std::size_t half = size == 0 ? 0 : data[0] % (size + 1);
  hub.received(session, bytes.substr(0, half));
  for (const auto& visit : port.reads) visit(machine);
  hub.received(session, bytes.substr(half));
  hub.closed(session);
  return 0;
}
