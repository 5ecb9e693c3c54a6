#include "proof/host_device.h"

#include <cstring>

#include "base/merkle.h"
#include "proof/matrix.h"

namespace fallow::proof {

Status HostDevice::begin_matrix(std::uint32_t size, const StreamKey& right) {
  size_ = size;
  right_.resize(std::size_t{size} * size);
  for (std::uint32_t j = 0; j < size; ++j) {
    fill_row(right, size, j, &right_[std::size_t{j} * size]);
  }
  return {};
}

Result<std::string> HostDevice::row(const StreamKey& left, std::uint32_t row) {
  std::vector<std::int8_t> a(size_);
  fill_row(left, size_, row, a.data());
  std::string values(size_ * sizeof(std::int32_t), '\0');
  for (std::uint32_t j = 0; j < size_; ++j) {
    const std::int8_t* const b = &right_[std::size_t{j} * size_];
    std::int32_t sum = 0;
    for (std::uint32_t x = 0; x < size_; ++x) sum += std::int32_t{a[x]} * b[x];
    std::memcpy(&values[j * sizeof sum], &sum, sizeof sum);
  }
  return values;
}

Result<std::vector<Digest>> HostDevice::multiply(const StreamKey& left) {
  std::vector<Digest> hashes;
  for (std::uint32_t i = 0; i < size_; ++i) {
    FALLOW_ASSIGN(const std::string values, HostDevice::row(left, i));
    hashes.push_back(merkle_leaf(values));
  }
  return hashes;
}

Result<std::vector<Digest>> HostDevice::fill(const FillShape& shape, const StreamKey& key) {
  const std::uint64_t chunk_cells = shape.chunk_cells();
  cells_.resize(shape.leaves() * kLeafCells);
  for (std::uint64_t cell = 0; cell < chunk_cells; ++cell) cells_[cell] = first_cell(key, cell);
  for (std::uint64_t cell = chunk_cells; cell < cells_.size(); ++cell) {
    const Cell& before = cells_[cell - chunk_cells];
    const auto chunk = static_cast<std::uint32_t>(cell / chunk_cells);
    cells_[cell] = next_cell(key, cell, before, cells_[other_cell(key, shape, chunk, before, 0)],
                             cells_[other_cell(key, shape, chunk, before, 1)]);
  }
  std::vector<Digest> hashes;
  for (std::uint64_t i = 0; i < shape.leaves(); ++i) {
    FALLOW_ASSIGN(const std::string content, HostDevice::leaf(i));
    hashes.push_back(merkle_leaf(content));
  }
  return hashes;
}

Result<std::string> HostDevice::leaf(std::uint64_t leaf) {
  const Cell* const first = &cells_[leaf * kLeafCells];
  return std::string(reinterpret_cast<const char*>(first), kLeafBytes);
}

}  // namespace fallow::proof
