#include "train/state.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <string_view>

#include "base/digest.h"
#include "base/file.h"

namespace fallow::train {
namespace {

constexpr std::string_view kMagic = "fallow train v1\n";
constexpr std::size_t kHeadBytes = kMagic.size() + 8;
constexpr std::size_t kFileBytes = kHeadBytes + 4 * kWeights + sizeof(Digest);
constexpr std::uint32_t kWeightOne = 1 << 24;

void put(std::string& bytes, std::uint32_t number) {
  for (int i = 0; i < 4; ++i, number >>= 8) bytes.push_back(static_cast<char>(number & 0xFF));
}

std::uint32_t number_at(std::string_view bytes, std::size_t at) {
  std::uint32_t number = 0;
  for (unsigned i = 0; i < 4; ++i) {
    number |= std::uint32_t{static_cast<std::uint8_t>(bytes[at + i])} << (8 * i);
  }
  return number;
}

std::string bytes_of(const std::vector<std::int32_t>& weights) {
  std::string bytes;
  bytes.reserve(4 * weights.size());
  for (const std::int32_t weight : weights) put(bytes, static_cast<std::uint32_t>(weight));
  return bytes;
}

}  // namespace

State first_state(std::uint32_t seed) {
  State state{seed, 0, {}};
  std::uint64_t chance = seed + 0x9E3779B97F4A7C15U;
  // From -most to most.
  const auto draw = [&](std::uint32_t most) {
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    const auto number = static_cast<std::uint32_t>(chance >> 40) % (2 * most + 1);
    state.weights.push_back(static_cast<std::int32_t>(number) - static_cast<std::int32_t>(most));
  };
  for (std::uint32_t unit = 0; unit < kUnits; ++unit) {
    for (int i = 0; i < 3; ++i) draw(kWeightOne);
    draw(kWeightOne / 4);
  }
  state.weights.push_back(0);
  return state;
}

std::string digest_of_weights(const State& state) {
  return to_hex(digest_of(bytes_of(state.weights)));
}

Status save(const State& state, const std::string& folder) {
  std::string bytes(kMagic);
  put(bytes, state.seed);
  put(bytes, state.step);
  bytes += bytes_of(state.weights);
  bytes += to_bytes(digest_of(bytes));
  const std::string next = folder + "/.state";
  FALLOW_ASSIGN(const Fd file, open_file(next, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  FALLOW_TRY(write_all(file, bytes, next));
  FALLOW_TRY(sync_file(file, next));
  if (::rename(next.c_str(), (folder + "/state").c_str()) != 0) {
    return tl::unexpected(file_error("rename", next, errno));
  }
  return sync_folder(folder);
}

Result<State> load(const std::string& folder, std::uint32_t seed, std::uint32_t steps) {
  const std::string path = folder + "/state";
  FALLOW_ASSIGN(const std::string bytes, read_file(path, 2 * kFileBytes));
  const std::string_view body = std::string_view(bytes).substr(0, kFileBytes - sizeof(Digest));
  if (bytes.size() != kFileBytes || !body.starts_with(kMagic) ||
      to_bytes(digest_of(body)) != bytes.substr(body.size())) {
    return fail(ErrorCode::kCorrupt,
                "{} is damaged, or no state of this training; remove it to begin anew", path);
  }
  State state{number_at(body, kMagic.size()), number_at(body, kMagic.size() + 4), {}};
  if (state.seed != seed) {
    return fail(
        ErrorCode::kInvalid,
        "{} is of a training with seed {}, not {}; name that with --seed, or another folder", path,
        state.seed, seed);
  }
  if (state.step > steps) {
    return fail(ErrorCode::kInvalid,
                "{} has {} steps behind it, and --steps says {}: it cannot be undone; name "
                "another folder, or more steps",
                path, state.step, steps);
  }
  for (std::size_t at = kHeadBytes; at < body.size(); at += 4) {
    state.weights.push_back(static_cast<std::int32_t>(number_at(body, at)));
  }
  return state;
}

}  // namespace fallow::train
