#include "sim/proof_devices.h"

#include <algorithm>

#include "base/merkle.h"
#include "sim/exact_math.h"

namespace fallow::sim {

using proof::Cell;
using proof::FillShape;
using proof::StreamKey;

double even(Random& random) { return even_uniform(random.next_u64()); }

double normal(Random& random) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += even(random);
  return sum;
}

void LabDevice::spend(double seconds) {
  took_s_ += seconds * exact_exp(times_.spread * normal(random_));
}

Result<std::vector<Digest>> LabDevice::multiply(const StreamKey& left) {
  spend(times_.product_s / rounds_);
  return HostDevice::multiply(left);
}

Result<std::vector<Digest>> LabDevice::fill(const FillShape& shape, const StreamKey& key) {
  spend(times_.fill_s);
  auto hashes = HostDevice::fill(shape, key);
  return hashes;
}

Result<std::string> LabDevice::leaf(std::uint64_t leaf) {
  spend(times_.read_s);
  return HostDevice::leaf(leaf);
}

Result<std::vector<Digest>> SkippingDevice::multiply(const StreamKey& left) {
  FALLOW_ASSIGN(std::vector<Digest> hashes, LabDevice::multiply(left));
  // Exactly that share of them, wherever they stand.
  std::vector<Digest*> rows;
  for (Digest& hash : hashes) rows.push_back(&hash);
  const auto made_up = static_cast<std::size_t>(share_ * static_cast<double>(rows.size()));
  for (std::size_t i = 0; i < made_up; ++i) {
    std::swap(rows[i], rows[i + random().below(rows.size() - i)]);
    (*rows[i])[0] = static_cast<std::uint8_t>((*rows[i])[0] ^ 1U);
  }
  return hashes;
}

Result<std::vector<Digest>> ShortDevice::fill(const FillShape& shape, const StreamKey& key) {
  shape_ = shape;
  FALLOW_ASSIGN(std::vector<Digest> hashes, LabDevice::fill(shape, key));
  for (std::uint64_t i = 0; i < hashes.size(); ++i) {
    FALLOW_ASSIGN(const std::string content, leaf(i));
    hashes[i] = merkle_leaf(content);
  }
  (void)took();  // what it looked up here is no time of the device
  spend(times().fill_s);
  return hashes;
}

Result<std::string> ShortDevice::leaf(std::uint64_t leaf) {
  if (static_cast<double>(leaf) < share_ * static_cast<double>(shape_.leaves())) {
    return LabDevice::leaf(leaf);
  }
  spend(times().read_s);
  return std::string(proof::kLeafBytes, '\0');
}

Cell EmulatingDevice::make(std::uint64_t cell) {
  const std::uint64_t cells = shape_.chunk_cells();
  const std::uint64_t chunk = cell / cells;
  if (chunk % 4 == 0 && chunk / 4 * cells + cell % cells < kept_.size()) {
    return kept_[chunk / 4 * cells + cell % cells];
  }
  if (made_before_ + made_ > patience_ * static_cast<double>(shape_.leaves() * proof::kLeafCells)) {
    return Cell{};
  }
  ++made_;
  if (chunk == 0) return proof::first_cell(key_, cell);
  const Cell above = make(cell - cells);
  const auto other = [&](std::uint32_t which) {
    return make(proof::other_cell(key_, shape_, static_cast<std::uint32_t>(chunk), above, which));
  };
  const Cell first = other(0);
  return proof::next_cell(key_, cell, above, first, other(1));
}

Result<std::vector<Digest>> EmulatingDevice::fill(const FillShape& shape, const StreamKey& key) {
  shape_ = shape;
  key_ = key;
  kept_.clear();
  made_ = made_before_ = 0;
  const std::uint64_t cells = shape.chunk_cells();
  // The chunk before is at hand while the next is made: only the other cell may be missing.
  std::vector<Cell> before(cells);
  std::vector<Cell> now(cells);
  std::vector<Digest> hashes;
  for (std::uint32_t chunk = 0; chunk < shape.chunks; ++chunk) {
    std::string content(shape.chunk_leaves * std::size_t{proof::kLeafBytes}, '\0');
    for (std::uint64_t i = 0; i < cells; ++i) {
      const std::uint64_t cell = chunk * cells + i;
      if (chunk == 0) {
        now[i] = proof::first_cell(key, cell);
      } else {
        const auto other = [&](std::uint32_t which) {
          const std::uint64_t number = proof::other_cell(key, shape, chunk, before[i], which);
          return number / cells + 1 == chunk ? before[number % cells] : make(number);
        };
        const Cell first = other(0);
        now[i] = proof::next_cell(key, cell, before[i], first, other(1));
      }
      ++made_;
    }
    if (chunk % 4 == 0) kept_.insert(kept_.end(), now.begin(), now.end());
    const auto* const bytes = reinterpret_cast<const char*>(now.data());
    content.assign(bytes, cells * sizeof(Cell));
    for (std::uint32_t i = 0; i < shape.chunk_leaves; ++i) {
      hashes.push_back(merkle_leaf(
          std::string_view(content).substr(i * std::size_t{proof::kLeafBytes}, proof::kLeafBytes)));
    }
    std::swap(before, now);
  }
  spend(times().fill_s * made_ / static_cast<double>(shape.leaves() * proof::kLeafCells));
  return hashes;
}

Result<std::string> EmulatingDevice::leaf(std::uint64_t leaf) {
  made_ = 0;
  std::vector<Cell> cells;
  for (std::uint32_t i = 0; i < proof::kLeafCells; ++i) {
    cells.push_back(make(leaf * proof::kLeafCells + i));
  }
  spend(times().read_s +
        times().fill_s * made_ / static_cast<double>(shape_.leaves() * proof::kLeafCells));
  made_before_ += made_;
  return std::string(reinterpret_cast<const char*>(cells.data()), proof::kLeafBytes);
}

Result<std::vector<Digest>> ProxiedDevice::multiply(const StreamKey& left) {
  spend(3 * way_s_);
  return LabDevice::multiply(left);
}

Result<std::vector<Digest>> ProxiedDevice::fill(const FillShape& shape, const StreamKey& key) {
  spend(3 * way_s_);
  return LabDevice::fill(shape, key);
}

Result<std::string> ProxiedDevice::leaf(std::uint64_t leaf) {
  spend(way_s_);
  return LabDevice::leaf(leaf);
}

}  // namespace fallow::sim
