// A device that is this very processor, in plain C++: what every other device must equal, bit for
// bit. Slow; for tests, and as the honest heart of devices that are simulated.
//
// One thread.
#pragma once

#include <string>
#include <vector>

#include "proof/device.h"

namespace fallow::proof {

class HostDevice : public Device {
 public:
  Status begin_matrix(std::uint32_t size, const StreamKey& right) override;
  Result<std::vector<Digest>> multiply(const StreamKey& left) override;
  Result<std::string> row(const StreamKey& left, std::uint32_t row) override;
  void end_matrix() override { right_.clear(); }
  Result<std::vector<Digest>> fill(const FillShape& shape, const StreamKey& key) override;
  Result<std::string> leaf(std::uint64_t leaf) override;
  void release() override { cells_.clear(); }
  // None are measured: the host stands for a device, it is none.
  Result<v1::DeviceSpeeds> speeds() override { return v1::DeviceSpeeds(); }

 private:
  std::uint32_t size_ = 0;
  std::vector<std::int8_t> right_;  // by columns
  std::vector<Cell> cells_;
};

}  // namespace fallow::proof
