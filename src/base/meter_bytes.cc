#include "base/meter_bytes.h"

namespace fallow {
namespace {

template <class T>
void append_little_endian(std::string& bytes, T value) {
  const auto bits = static_cast<std::uint64_t>(value);
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    bytes.push_back(static_cast<char>((bits >> (8 * i)) & 0xFFU));
  }
}

}  // namespace

std::string meter_bytes(const PublicKey& node_key, LeaseId lease, std::uint32_t sequence,
                        Duration running, Time measured_at, Duration slowed,
                        std::int64_t egress_bytes) {
  const bool has_sent = egress_bytes != 0;
  const bool is_slowed = slowed.value != 0;
  std::string bytes = has_sent    ? "fallow meter v3"
                      : is_slowed ? "fallow meter v2"
                                  : "fallow meter v1";
  bytes.append(node_key.begin(), node_key.end());
  append_little_endian(bytes, lease.value);
  append_little_endian(bytes, sequence);
  append_little_endian(bytes, running.value);
  append_little_endian(bytes, measured_at.us);
  if (is_slowed || has_sent) append_little_endian(bytes, slowed.value);
  if (has_sent) append_little_endian(bytes, egress_bytes);
  return bytes;
}

}  // namespace fallow
