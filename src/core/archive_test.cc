#include "core/archive.h"

#include <gtest/gtest.h>

#include <limits>

#include "fallow/v1/types.pb.h"

namespace fallow::core {
namespace {

std::string written(const std::function<void(SnapshotWriter&)>& fill) {
  std::string bytes;
  const SnapshotWriter::Sink sink = [&](std::string_view piece) { bytes += piece; };
  SnapshotWriter writer(sink);
  fill(writer);
  writer.finish();
  return bytes;
}

Status read(std::string bytes, std::size_t piece_max,
            const std::function<void(SnapshotReader&)>& take) {
  std::size_t at = 0;
  const SnapshotReader::Source source = [&](char* to, std::size_t size) -> Result<std::size_t> {
    const std::size_t piece = std::min({size, bytes.size() - at, piece_max});
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), piece, to);
    at += piece;
    return piece;
  };
  SnapshotReader reader(source);
  take(reader);
  return reader.finish();
}

TEST(Archive, GivesBackWhatWasWritten) {
  constexpr std::int64_t kNumbers[] = {0,
                                       1,
                                       -1,
                                       63,
                                       64,
                                       -64,
                                       -65,
                                       1'000'000,
                                       std::numeric_limits<std::int64_t>::max(),
                                       std::numeric_limits<std::int64_t>::min()};
  v1::Device device;
  device.set_model("RTX_4090");
  const std::string large(200'000, 'x');  // more than a piece
  const std::string bytes = written([&](SnapshotWriter& writer) {
    for (const std::int64_t number : kNumbers) writer(number, Micros(number));
    writer(std::numeric_limits<std::uint64_t>::max(), true, Time{7}, v1::GPU, large, device,
           Digest{1, 2, 3}, std::vector<NodeId>{NodeId(1), NodeId(2)});
  });
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1} << 20}) {
    const Status status = read(bytes, piece, [&](SnapshotReader& reader) {
      for (const std::int64_t number : kNumbers) {
        EXPECT_EQ(reader.value<std::int64_t>(), number);
        EXPECT_EQ(reader.value<Micros>(), Micros(number));
      }
      EXPECT_EQ(reader.value<std::uint64_t>(), std::numeric_limits<std::uint64_t>::max());
      EXPECT_TRUE(reader.value<bool>());
      EXPECT_EQ(reader.value<Time>(), Time{7});
      EXPECT_EQ(reader.value<v1::DeviceKind>(), v1::GPU);
      EXPECT_EQ(reader.value<std::string>(), large);
      EXPECT_EQ(reader.value<v1::Device>().model(), "RTX_4090");
      EXPECT_EQ(reader.value<Digest>(), (Digest{1, 2, 3}));
      EXPECT_EQ(reader.value<std::vector<NodeId>>().size(), 2U);
    });
    EXPECT_TRUE(status.has_value()) << status.error().message;
  }
}

TEST(Archive, TakesEveryEnumerationThatAMarketKeeps) {
  for (int number = v1::EndReason_MIN; number <= v1::EndReason_MAX; ++number) {
    if (!v1::EndReason_IsValid(number)) continue;
    const auto reason = static_cast<v1::EndReason>(number);
    const std::string bytes = written([&](SnapshotWriter& writer) { writer(reason); });
    const Status status = read(bytes, bytes.size(), [&](SnapshotReader& reader) {
      EXPECT_EQ(reader.value<v1::EndReason>(), reason);
    });
    EXPECT_TRUE(status) << v1::EndReason_Name(reason) << ": " << status.error().message;
  }
}

TEST(Archive, RefusesWhatWasNotWritten) {
  const std::string bytes = written([](SnapshotWriter& writer) { writer(std::uint64_t{3'000}); });
  const auto number = [](SnapshotReader& reader) { (void)reader.value<std::uint64_t>(); };
  EXPECT_TRUE(read(bytes, 1, number));
  EXPECT_FALSE(read(bytes + "x", 1, number));
  EXPECT_FALSE(read(bytes.substr(0, bytes.size() - 1), 9, number));
  EXPECT_FALSE(read("", 9, number));
  EXPECT_FALSE(read(std::string(40, '\xff'), 9, number));
  EXPECT_FALSE(read(bytes, 9, [](SnapshotReader& reader) { (void)reader.value<std::uint8_t>(); }));
  EXPECT_FALSE(read(bytes, 9, [](SnapshotReader& reader) { (void)reader.value<v1::Tier>(); }));
  EXPECT_FALSE(read(bytes, 9, [](SnapshotReader& reader) { (void)reader.value<Digest>(); }));
  EXPECT_FALSE(read(bytes, 9, [](SnapshotReader& reader) { (void)reader.value<std::string>(); }));
  // A length that would take all memory.
  EXPECT_FALSE(read("\xff\xff\xff\xff\xff\xff\xff\xff\x01", 9, [](SnapshotReader& reader) {
    EXPECT_TRUE(reader.value<std::string>().empty());
    EXPECT_TRUE(reader.value<std::vector<NodeId>>().empty());
  }));
}

TEST(Archive, PassesTheSourcesErrorOn) {
  const SnapshotReader::Source source = [](char*, std::size_t) -> Result<std::size_t> {
    return fail(ErrorCode::kNotFound, "the disk is gone");
  };
  SnapshotReader reader(source);
  EXPECT_EQ(reader.value<std::uint64_t>(), 0U);
  const Status status = reader.finish();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace fallow::core
