#include "pathtrace/tile.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/check.h"

namespace fallow::pathtrace {
namespace {

constexpr std::string_view kMagic = "FPTILE1\n";
constexpr std::size_t kHeaderBytes = 80;
constexpr std::size_t kDigestBytes = 32;

void put_u32(std::string& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8)
    out.push_back(static_cast<char>(static_cast<std::uint8_t>(value >> shift)));
}

std::uint32_t get_u32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value |= std::uint32_t{static_cast<std::uint8_t>(bytes[at + i])} << (8 * i);
  return value;
}

Status check_header(const TileHeader& header) {
  const Frame& frame = header.frame;
  const bool sides =
      frame.width >= 1 && frame.width <= kSideMax && frame.height >= 1 && frame.height <= kSideMax;
  if (!sides || frame.samples < 1 || frame.samples > kSamplesMax || header.tasks < 1 ||
      header.tasks > frame.height || header.task >= header.tasks)
    return fail(ErrorCode::kCorrupt, "its header has figures that no tile has");
  const Rows rows = rows_of(header.task, header.tasks, frame.height);
  if (rows.first != header.first_row || rows.count != header.rows)
    return fail(ErrorCode::kCorrupt, "its rows are not those of task {} of {}", header.task,
                header.tasks);
  return {};
}

}  // namespace

Rows rows_of(std::uint32_t task, std::uint32_t tasks, std::uint32_t height) {
  FALLOW_CHECK(task < tasks && tasks <= height, "task {} of {} for {} rows", task, tasks, height);
  const auto start = [&](std::uint64_t t) {
    return static_cast<std::uint32_t>(t * height / tasks);
  };
  return {start(task), start(task + std::uint64_t{1}) - start(task)};
}

std::string encode_tile(const Tile& tile) {
  const TileHeader& header = tile.header;
  const Frame& frame = header.frame;
  FALLOW_CHECK(tile.sums.size() == std::size_t{frame.width} * header.rows * 3,
               "{} sums in a tile of {}x{}", tile.sums.size(), frame.width, header.rows);
  std::string bytes(kMagic);
  bytes.reserve(kHeaderBytes + tile.sums.size() * 4 + kDigestBytes);
  for (const std::uint32_t value :
       {frame.width, frame.height, header.first_row, header.rows, header.task, header.tasks,
        frame.samples, frame.seed, frame.frame, std::uint32_t{0}})
    put_u32(bytes, value);
  bytes += to_bytes(header.scene);
  for (const float sum : tile.sums) put_u32(bytes, std::bit_cast<std::uint32_t>(sum));
  bytes += to_bytes(digest_of(bytes));
  return bytes;
}

Result<Tile> decode_tile(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) return fail(ErrorCode::kCorrupt, "it is not a tile");
  if (bytes.size() < kHeaderBytes + kDigestBytes)
    return fail(ErrorCode::kCorrupt, "it ends within its header");
  Tile tile;
  TileHeader& header = tile.header;
  header.frame = {get_u32(bytes, 8), get_u32(bytes, 12), get_u32(bytes, 32), get_u32(bytes, 36),
                  get_u32(bytes, 40)};
  header.first_row = get_u32(bytes, 16);
  header.rows = get_u32(bytes, 20);
  header.task = get_u32(bytes, 24);
  header.tasks = get_u32(bytes, 28);
  FALLOW_TRY(check_header(header));
  FALLOW_ASSIGN(header.scene, digest_from_bytes(bytes.substr(48, kDigestBytes)));
  const std::size_t count = std::size_t{header.frame.width} * header.rows * 3;
  const std::size_t size = kHeaderBytes + 4 * count + kDigestBytes;
  if (bytes.size() != size)
    return fail(ErrorCode::kCorrupt, "it has {} bytes instead of {}", bytes.size(), size);
  const std::string_view body = bytes.substr(0, size - kDigestBytes);
  if (to_bytes(digest_of(body)) != bytes.substr(body.size()))
    return fail(ErrorCode::kCorrupt, "its checksum does not fit: it was altered");
  tile.sums.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    tile.sums[i] = std::bit_cast<float>(get_u32(bytes, kHeaderBytes + 4 * i));
    if (!std::isfinite(tile.sums[i])) return fail(ErrorCode::kCorrupt, "a sum is not finite");
  }
  return tile;
}

std::string tile_name(std::uint32_t task) { return fmt::format("tile-{:05}.fpt", task); }

Result<std::string> write_tile(const std::string& folder, const Tile& tile) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    return fail(ErrorCode::kFailed, "cannot create the folder {}: {}", folder, error.message());
  const auto path = std::filesystem::path(folder) / tile_name(tile.header.task);
  const auto partial = path.string() + ".partial";
  const std::string bytes = encode_tile(tile);
  std::ofstream file(partial, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) {
    const std::string why = std::strerror(errno);
    std::filesystem::remove(partial, error);
    return fail(ErrorCode::kFailed, "cannot write {}: {}", partial, why);
  }
  std::filesystem::rename(partial, path, error);
  if (error)
    return fail(ErrorCode::kFailed, "cannot name {} {}: {}", partial, path.string(),
                error.message());
  return path.string();
}

Result<Tile> read_tile(const std::string& path) {
  // The largest tile is a whole frame; its size is checked before anything is read.
  constexpr std::uintmax_t kBytesMax = std::uintmax_t{kSideMax} * kSideMax * 12 + 112;
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return fail(ErrorCode::kNotFound, "cannot read {}: {}", path, error.message());
  if (size > kBytesMax)
    return fail(ErrorCode::kCorrupt, "{} is damaged: {} bytes are more than any tile has", path,
                size);
  std::string bytes(size, '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file.read(bytes.data(), static_cast<std::streamsize>(size)))
    return fail(ErrorCode::kFailed, "cannot read {}: {}", path, std::strerror(errno));
  auto tile = decode_tile(bytes);
  if (!tile) return fail_with(tile.error(), "{} is damaged, render it again", path);
  return tile;
}

}  // namespace fallow::pathtrace
