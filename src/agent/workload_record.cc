#include "agent/workload_record.h"

#include <algorithm>

#include "base/digest.h"

namespace fallow::agent {
namespace {

constexpr std::string_view kMagic = "FALLOWWR1\n";
constexpr std::size_t kFieldBytesMax = std::size_t{64} << 20;

class Writer {
 public:
  Writer() : bytes_(kMagic) {}
  Writer& number(std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    for (unsigned i = 0; i < 8; ++i) bytes_.push_back(static_cast<char>((bits >> (8 * i)) & 0xFF));
    return *this;
  }
  Writer& text(std::string_view value) {
    number(static_cast<std::int64_t>(value.size()));
    bytes_ += value;
    return *this;
  }
  std::string finish() {
    bytes_ += to_bytes(digest_of(bytes_));
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
};

// Reads what Writer wrote; after the first overrun everything is zero and is_whole() false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  std::int64_t number() {
    if (bytes_.size() < 8) {
      is_whole_ = false;
      return 0;
    }
    std::uint64_t bits = 0;
    for (unsigned i = 0; i < 8; ++i) {
      bits |= std::uint64_t{static_cast<std::uint8_t>(bytes_[i])} << (8 * i);
    }
    bytes_.remove_prefix(8);
    return static_cast<std::int64_t>(bits);
  }
  std::string_view text() {
    const auto size = static_cast<std::uint64_t>(number());
    if (size > kFieldBytesMax || size > bytes_.size()) {
      is_whole_ = false;
      return {};
    }
    const std::string_view value = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return value;
  }
  bool has_more() const { return !bytes_.empty(); }
  bool is_whole() const { return is_whole_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool is_whole_ = true;
};

}  // namespace

Duration WorkloadRecord::running_time(Time now) const {
  if (!running) return ran;
  return ran + std::max(now - running_since, Duration(0));
}

std::string encode_record(const WorkloadRecord& record) {
  Writer writer;
  writer.text(record.desired.SerializeAsString())
      .number(static_cast<std::int64_t>(record.phase))
      .number(record.stop_reason)
      .text(record.stop_detail)
      .number(record.stopped_at.us)
      .number(record.kill_at.us)
      .number((record.started ? 1 : 0) | (record.suspended ? 2 : 0) | (record.running ? 4 : 0))
      .number(record.ran.value)
      .number(record.running_since.us)
      .number(record.meter_sequence)
      .number(record.metered.value)
      .number(static_cast<std::int64_t>(record.meters.size()));
  for (const v1::MeterRecord& meter : record.meters) writer.text(meter.SerializeAsString());
  writer.number(record.fence_at.us).text(record.end.SerializeAsString());
  // At the end and only then: an agent that does not count it reads all other records.
  if (record.slowed.value > 0 || record.egress_bytes > 0) writer.number(record.slowed.value);
  if (record.egress_bytes > 0) writer.number(record.egress_bytes);
  return writer.finish();
}

Result<WorkloadRecord> decode_record(std::string_view bytes) {
  constexpr std::size_t kDigestBytes = sizeof(Digest);
  if (bytes.size() < kMagic.size() + kDigestBytes || !bytes.starts_with(kMagic) ||
      to_bytes(digest_of(bytes.substr(0, bytes.size() - kDigestBytes))) !=
          bytes.substr(bytes.size() - kDigestBytes)) {
    return fail(ErrorCode::kCorrupt, "the stored state of a workload is damaged");
  }
  Reader reader(bytes.substr(kMagic.size(), bytes.size() - kMagic.size() - kDigestBytes));
  WorkloadRecord record;
  const auto parse = [&reader](google::protobuf::Message& message) {
    const std::string_view text = reader.text();
    return message.ParseFromArray(text.data(), static_cast<int>(text.size()));
  };
  bool parsed = parse(record.desired);
  const std::int64_t phase = reader.number();
  record.phase = static_cast<Phase>(phase);
  const std::int64_t reason = reader.number();
  record.stop_reason = static_cast<v1::EndReason>(reason);
  record.stop_detail = reader.text();
  record.stopped_at = Time{reader.number()};
  record.kill_at = Time{reader.number()};
  const std::int64_t flags = reader.number();
  record.started = (flags & 1) != 0;
  record.suspended = (flags & 2) != 0;
  record.running = (flags & 4) != 0;
  record.ran = Duration(reader.number());
  record.running_since = Time{reader.number()};
  record.meter_sequence = static_cast<std::uint32_t>(reader.number());
  record.metered = Duration(reader.number());
  const std::int64_t meter_count = reader.number();
  for (std::int64_t i = 0; i < meter_count && parsed; ++i) {
    parsed = parse(record.meters.emplace_back());
  }
  record.fence_at = Time{reader.number()};
  parsed = parsed && parse(record.end);
  if (reader.has_more()) record.slowed = Duration(reader.number());
  if (reader.has_more()) record.egress_bytes = reader.number();
  if (!parsed || !reader.is_whole() || phase < 1 ||
      phase > static_cast<std::int64_t>(Phase::kEnded) ||
      !v1::EndReason_IsValid(record.stop_reason)) {
    return fail(ErrorCode::kCorrupt, "the stored state of a workload is of another layout");
  }
  return record;
}

}  // namespace fallow::agent
