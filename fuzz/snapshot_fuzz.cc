// Snapshots whose bytes were altered, their closing digest made right again: restore() refuses them
// or gives a market in which everything holds.
//
// Input: a seed for the market (1 byte), then changes, each a place (2 bytes) and what the byte
// there becomes (1 byte). A first byte of 255 means that the rest is the snapshot itself.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "core/machine.h"
#include "core/test_market.h"

namespace {

using namespace fallow;

constexpr std::uint8_t kWhole = 255;
constexpr std::size_t kCommandsOfMarket = 120;
// Beyond what a market lives to see, time cannot move on.
constexpr Time kTimeLast{4'000'000'000'000'000};

std::string snapshot_of(std::uint64_t seed) {
  core::Machine machine;
  core::RandomCommands random(seed);
  core::Events events;
  machine.apply(LogIndex(1), random.next_time(machine), core::test_found(), events);
  for (std::size_t i = 0; i < kCommandsOfMarket; ++i) {
    events.clear();
    machine.apply(machine.last_index() + LogIndex(1), random.next_time(machine),
                  random.next(machine), events);
  }
  std::string snapshot;
  machine.snapshot([&](std::string_view part) { snapshot += part; });
  return snapshot;
}

void close_with_digest(std::string& snapshot) {
  const std::string_view body(snapshot.data(), snapshot.size() - sizeof(Digest));
  snapshot.replace(body.size(), sizeof(Digest), to_bytes(digest_of(body)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string snapshot;
  if (data[0] == kWhole) {
    snapshot.assign(reinterpret_cast<const char*>(data) + 1, size - 1);
  } else {
    static const std::array<std::string, 4> kMarkets = {snapshot_of(0), snapshot_of(1),
                                                        snapshot_of(2), snapshot_of(3)};
    snapshot = kMarkets[data[0] % kMarkets.size()];
    for (std::size_t i = 1; i + 3 <= size; i += 3) {
      const std::size_t place = (data[i] + 256U * data[i + 1]) % snapshot.size();
      snapshot[place] = static_cast<char>(data[i + 2]);
    }
    close_with_digest(snapshot);
  }
  core::Machine machine;
  std::size_t at = 0;
  const Status restored =
      machine.restore([&](char* into, std::size_t bytes) -> Result<std::size_t> {
        const std::size_t given = snapshot.copy(into, bytes, at);
        at += given;
        return given;
      });
  if (!restored) return 0;
  machine.check_invariants();
  if (machine.now() >= kTimeLast) return 0;
  v1::Command tick;
  tick.mutable_tick();
  core::Events events;
  machine.apply(machine.last_index() + LogIndex(1), machine.now() + hours(1), tick, events);
  machine.check_invariants();
  return 0;
}
