// Devices for the laboratory of proofs: one that is honest, and those that are not.
//
// Each really computes what it answers, on a small size, and says how long a device of full size
// would have taken: `took()` is what the laboratory lets pass on its clock. Chance comes from one
// seed. One thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/types.h"
#include "proof/host_device.h"

namespace fallow::sim {

// How long a device of one model takes for the whole of each step, and how much that varies.
struct DeviceTimes {
  double product_s = 3.5;   // all rounds
  double fill_s = 1.6;      // hashing included
  double read_s = 0.00004;  // one read by the host
  double spread = 0.03;     // of each time, by a log-normal factor
};

// Standard normal, by the sum of twelve; the same on every machine.
double normal(Random& random);
double even(Random& random);

// The honest one, and the base of all others.
class LabDevice : public proof::HostDevice {
 public:
  LabDevice(DeviceTimes times, Random& random) : times_(times), random_(random) {}

  Result<std::vector<Digest>> multiply(const proof::StreamKey& left) override;
  Result<std::vector<Digest>> fill(const proof::FillShape& shape,
                                   const proof::StreamKey& key) override;
  Result<std::string> leaf(std::uint64_t leaf) override;
  // Of the exam that follows: in how many rounds the product is asked for.
  void set_rounds(std::uint32_t rounds) { rounds_ = rounds; }
  // Seconds since it was last asked.
  double took() { return std::exchange(took_s_, 0.0); }

 protected:
  void spend(double seconds);
  const DeviceTimes& times() const { return times_; }
  Random& random() { return random_; }

 private:
  DeviceTimes times_;
  Random& random_;
  std::uint32_t rounds_ = 1;
  double took_s_ = 0;
};

// Makes a share of its rows up.
class SkippingDevice final : public LabDevice {
 public:
  SkippingDevice(DeviceTimes times, Random& random, double share)
      : LabDevice(times, random), share_(share) {}
  Result<std::vector<Digest>> multiply(const proof::StreamKey& left) override;

 private:
  double share_;
};

// Has a part of the memory that it claims; the rest is made up of nothing.
class ShortDevice final : public LabDevice {
 public:
  ShortDevice(DeviceTimes times, Random& random, double share)
      : LabDevice(times, random), share_(share) {}
  Result<std::vector<Digest>> fill(const proof::FillShape& shape,
                                   const proof::StreamKey& key) override;
  Result<std::string> leaf(std::uint64_t leaf) override;

 private:
  proof::FillShape shape_;
  double share_;
};

// Keeps every fourth chunk and makes all other cells anew whenever they are read. It stops to
// answer rightly when the fill, or all reads together, take longer than `patience` times the whole
// fill.
class EmulatingDevice final : public LabDevice {
 public:
  EmulatingDevice(DeviceTimes times, Random& random, double patience)
      : LabDevice(times, random), patience_(patience) {}
  Result<std::vector<Digest>> fill(const proof::FillShape& shape,
                                   const proof::StreamKey& key) override;
  Result<std::string> leaf(std::uint64_t leaf) override;

 private:
  // The cell, made from what is kept.
  proof::Cell make(std::uint64_t cell);

  double patience_;
  proof::FillShape shape_;
  proof::StreamKey key_;
  std::vector<proof::Cell> kept_;  // of chunks 0, 4, 8 ...
  double made_ = 0;                // cells, for the fill or the leaf that is read
  double made_before_ = 0;         // for the leaves that were read before
};

// Every read by the host goes over a network.
class ProxiedDevice final : public LabDevice {
 public:
  ProxiedDevice(DeviceTimes times, Random& random, double way_s)
      : LabDevice(times, random), way_s_(way_s) {}
  Result<std::vector<Digest>> multiply(const proof::StreamKey& left) override;
  Result<std::vector<Digest>> fill(const proof::FillShape& shape,
                                   const proof::StreamKey& key) override;
  Result<std::string> leaf(std::uint64_t leaf) override;

 private:
  double way_s_;
};

}  // namespace fallow::sim
