// What a book knows of a node, in one form for every book, so that their states can be compared.
//
// Values; market thread only.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "base/digest.h"
#include "base/types.h"
#include "core/survival.h"
#include "core/term.h"

namespace fallow::core {

struct KnownNode {
  NodeId id;
  bool offered = false;  // when not, nothing below counts
  AccountId provider;
  Micros device_hour;
  Micros disk_gb_hour;
  Micros least_hour;      // the least of device_hour and the former ones
  Discounts discounts{};  // the largest of those now and formerly
  bool spot = false;
  Micros spot_floor;  // that counts
  Duration duration_max;
  std::uint32_t share_min = 0;
  std::uint32_t isolation = 0;
  bool images = false;
  std::string region;  // canonical
  std::string lan;     // canonical
  std::string rack;    // canonical
  Survival survival;
  std::uint32_t reliability = 0;
  std::uint32_t cpu_thousandths = 0;
  std::uint32_t memory_mb = 0;
  std::uint32_t disk_mb = 0;
  std::uint32_t download_mbps = 0;
  std::uint32_t upload_mbps = 0;
  std::uint32_t cpu_thousandths_free = 0;
  std::uint32_t memory_mb_free = 0;
  std::uint32_t disk_mb_free = 0;
  // Of what could be leased now: nothing, where the node is away.
  std::uint32_t room = 0;        // the largest free share of a device
  std::uint32_t whole = 0;       // devices free as a whole
  std::uint64_t whole_mask = 0;  // which of the first 64
  // By position: the class, as (canonical model, memory, kind, verified).
  std::vector<std::tuple<std::string, std::uint32_t, int, bool>> devices;
};

// Sorts them by id.
Digest digest_of(std::vector<KnownNode>& nodes);

}  // namespace fallow::core
