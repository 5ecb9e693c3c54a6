#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <limits>

#include "net/certificate.h"
#include "net/openssl.h"

namespace fallow::net {
namespace {

OpensslBio bio_of(const std::string& text) {
  return OpensslBio(BIO_new_mem_buf(
      text.data(),
      static_cast<int>(std::min<std::size_t>(text.size(), std::numeric_limits<int>::max()))));
}

Result<SslContext> make_context(const SSL_METHOD* method) {
  SslContext context(SSL_CTX_new(method));
  if (!context) return fail(ErrorCode::kFailed, "cannot set up TLS: {}", openssl_error());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 0);
  // An idle connection keeps no record buffers.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

}  // namespace

void SslContextDeleter::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

std::string openssl_error() {
  std::string text;
  while (const unsigned long code = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(code);
    if (!text.empty()) text += "; ";
    text += reason != nullptr ? reason : "unknown error";
  }
  return text.empty() ? "no reason given" : text;
}

Result<std::shared_ptr<const TlsServer>> TlsServer::from_pem(const std::string& certificate_pem,
                                                             const std::string& key_pem) {
  ERR_clear_error();
  FALLOW_ASSIGN(SslContext context, make_context(TLS_server_method()));
  FALLOW_ASSIGN(const Digest fingerprint, certificate_fingerprint(certificate_pem));

  const OpensslBio chain = bio_of(certificate_pem);
  const OpensslCertificate leaf(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context.get(), leaf.get()) != 1) {
    return fail(ErrorCode::kInvalid, "the server's certificate cannot be used: {}",
                openssl_error());
  }
  while (X509* issuer = PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr)) {
    if (SSL_CTX_add0_chain_cert(context.get(), issuer) != 1) {
      X509_free(issuer);
      return fail(ErrorCode::kInvalid, "the server's certificate chain cannot be used: {}",
                  openssl_error());
    }
  }
  ERR_clear_error();  // the end of the chain is reported as an error

  const OpensslBio key_bio = bio_of(key_pem);
  const OpensslKey key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  if (!key) {
    return fail(ErrorCode::kInvalid, "the server's private key is not readable PEM: {}",
                openssl_error());
  }
  if (SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    return fail(ErrorCode::kInvalid,
                "the server's private key does not belong to its certificate: {}", openssl_error());
  }
  return std::shared_ptr<const TlsServer>(new TlsServer(std::move(context), fingerprint));
}

Result<std::shared_ptr<const TlsClient>> TlsClient::pinned(const Digest& fingerprint) {
  FALLOW_ASSIGN(SslContext context, make_context(TLS_client_method()));
  // The pin alone decides; Stream compares it before the first byte is sent.
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  return std::shared_ptr<const TlsClient>(new TlsClient(std::move(context), fingerprint));
}

Result<std::shared_ptr<const TlsClient>> TlsClient::system_trust() {
  FALLOW_ASSIGN(SslContext context, make_context(TLS_client_method()));
  if (SSL_CTX_set_default_verify_paths(context.get()) != 1) {
    return fail(ErrorCode::kFailed, "the system's certificate authorities cannot be read: {}",
                openssl_error());
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return std::shared_ptr<const TlsClient>(new TlsClient(std::move(context), std::nullopt));
}

}  // namespace fallow::net
