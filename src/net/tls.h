// TLS contexts: what a server shows and what a client demands.
//
// Contexts are immutable once made, shared by all connections, safe on every thread, and must
// outlive the handshakes that use them. TLS 1.2 and 1.3; no renegotiation; no session tickets
// (agents stay connected for days, and a ticket costs memory and state).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"

struct ssl_ctx_st;

namespace fallow::net {

// Frees an SSL_CTX.
struct SslContextDeleter {
  void operator()(ssl_ctx_st* context) const;
};
using SslContext = std::unique_ptr<ssl_ctx_st, SslContextDeleter>;

class TlsServer {
 public:
  // The certificate (chain, leaf first) and its private key, both PEM.
  static Result<std::shared_ptr<const TlsServer>> from_pem(const std::string& certificate_pem,
                                                           const std::string& key_pem);
  ssl_ctx_st* native() const { return context_.get(); }
  // SHA-256 of the leaf: what clients pin.
  const Digest& fingerprint() const { return fingerprint_; }

 private:
  TlsServer(SslContext context, Digest fingerprint)
      : context_(std::move(context)), fingerprint_(fingerprint) {}
  SslContext context_;
  Digest fingerprint_;
};

class TlsClient {
 public:
  // Accepts exactly the certificate with this SHA-256 fingerprint, whoever signed it.
  static Result<std::shared_ptr<const TlsClient>> pinned(const Digest& fingerprint);
  // Accepts what the system's certificate authorities vouch for, for the host that is asked for.
  static Result<std::shared_ptr<const TlsClient>> system_trust();
  ssl_ctx_st* native() const { return context_.get(); }
  const std::optional<Digest>& pin() const { return pin_; }

 private:
  TlsClient(SslContext context, std::optional<Digest> pin)
      : context_(std::move(context)), pin_(pin) {}
  SslContext context_;
  std::optional<Digest> pin_;
};

// What OpenSSL's error queue of this thread says, in one line; empties the queue.
std::string openssl_error();

}  // namespace fallow::net
