#include "proof/keyed_stream.h"

namespace fallow::proof {

Digest derived_seed(std::string_view purpose, const Digest& seed, std::uint64_t number) {
  return Digester()
      .update("fallow proof v1 ")
      .update_u64(purpose.size())
      .update(purpose)
      .update(std::span<const std::uint8_t>(seed))
      .update_u64(number)
      .finish();
}

StreamKey stream_key(std::string_view purpose, const Digest& seed) {
  const Digest digest = derived_seed(purpose, seed);
  StreamKey key;
  for (std::size_t i = 0; i < 8; ++i) {
    key.a |= std::uint64_t{digest[i]} << (8 * i);
    key.b |= std::uint64_t{digest[i + 8]} << (8 * i);
  }
  return key;
}

}  // namespace fallow::proof
