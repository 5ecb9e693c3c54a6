#include "core/book_digest.h"

#include <algorithm>

namespace fallow::core {
namespace {

void add_word(Digester& digester, const std::string& word) {
  digester.update_u64(word.size()).update(word);
}

void add(Digester& digester, const KnownNode& node) {
  digester.update_u64(node.id.value).update_u64(node.offered ? 1 : 0);
  if (!node.offered) return;
  for (const std::int64_t number :
       {node.device_hour.value, node.disk_gb_hour.value, node.least_hour.value,
        node.duration_max.value, std::int64_t{node.spot}, node.spot_floor.value}) {
    digester.update_u64(static_cast<std::uint64_t>(number));
  }
  for (const std::uint64_t number :
       {node.provider.value, std::uint64_t{node.share_min}, std::uint64_t{node.isolation},
        std::uint64_t{node.images}, std::uint64_t{node.reliability},
        std::uint64_t{node.cpu_thousandths}, std::uint64_t{node.memory_mb},
        std::uint64_t{node.disk_mb}, std::uint64_t{node.download_mbps},
        std::uint64_t{node.upload_mbps}, std::uint64_t{node.cpu_thousandths_free},
        std::uint64_t{node.memory_mb_free}, std::uint64_t{node.disk_mb_free},
        std::uint64_t{node.room}, std::uint64_t{node.whole}, node.whole_mask,
        std::uint64_t{node.devices.size()}}) {
    digester.update_u64(number);
  }
  for (const std::uint16_t discount : node.discounts) digester.update_u64(discount);
  for (const SurvivalCode code : node.survival.codes) digester.update_u64(code);
  add_word(digester, node.region);
  add_word(digester, node.lan);
  add_word(digester, node.rack);
  for (const auto& [model, memory_mb, kind, verified] : node.devices) {
    add_word(digester, model);
    digester.update_u64(memory_mb).update_u64(static_cast<std::uint64_t>(kind));
    digester.update_u64(verified ? 1 : 0);
  }
}

}  // namespace

Digest digest_of(std::vector<KnownNode>& nodes) {
  std::sort(nodes.begin(), nodes.end(),
            [](const KnownNode& a, const KnownNode& b) { return a.id < b.id; });
  Digester digester;
  for (const KnownNode& node : nodes) add(digester, node);
  return digester.finish();
}

}  // namespace fallow::core
