// Checkpoints that newer ones of the same lease have taken the place of: nobody needs them any
// more, so the sweeper need not keep them for as long as what merely has no name. Those of an
// earlier life of the server are forgotten, and kept like anything else.
//
// Owner: Server. on_batch() on the market thread; the rest on any.
#pragma once

#include <deque>
#include <mutex>
#include <string_view>

#include "base/digest.h"
#include "engine/batch.h"

namespace fallow::server {

class Superseded final : public engine::Subscriber {
 public:
  static constexpr std::size_t kWaitingMax = 1 << 16;  // of more the oldest are forgotten

  std::string_view name() const override { return "superseded checkpoints"; }
  void on_batch(const engine::Batch& batch, const core::Machine& machine) override;

  // All that wait: their manifests. Who cannot act on one yet adds it again.
  std::deque<Digest> take();
  void add(const Digest& manifest);

 private:
  std::mutex mutex_;
  std::deque<Digest> waiting_;
};

}  // namespace fallow::server
