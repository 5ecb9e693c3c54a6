// Signer: the node's key as the reconciler uses it. The agent hands out its key file's, the
// simulator one of its own.
#pragma once

#include <string_view>

#include "base/signing.h"

namespace fallow::agent {

class Signer {
 public:
  virtual ~Signer() = default;
  virtual const PublicKey& public_key() const = 0;
  virtual Signature sign(std::string_view bytes) const = 0;
};

// Signs with a key in memory. Any thread.
class KeySigner final : public Signer {
 public:
  explicit KeySigner(const SigningKey& key) : key_(key) {}
  const PublicKey& public_key() const override { return key_.public_key(); }
  Signature sign(std::string_view bytes) const override { return key_.sign(bytes); }

 private:
  SigningKey key_;
};

}  // namespace fallow::agent
