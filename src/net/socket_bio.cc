#include "net/socket_bio.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>

namespace fallow::net {
namespace {

// The socket's number travels as the BIO's data pointer.
int fd_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

bool should_retry() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

int write_bio(BIO* bio, const char* bytes, std::size_t size, std::size_t* written) {
  BIO_clear_retry_flags(bio);
  const ssize_t put = ::send(fd_of(bio), bytes, size, MSG_NOSIGNAL);
  if (put <= 0) {
    if (put < 0 && should_retry()) BIO_set_retry_write(bio);
    return 0;
  }
  *written = static_cast<std::size_t>(put);
  return 1;
}

int read_bio(BIO* bio, char* bytes, std::size_t size, std::size_t* read) {
  BIO_clear_retry_flags(bio);
  const ssize_t got = ::recv(fd_of(bio), bytes, size, 0);
  if (got <= 0) {
    if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    if (got < 0 && should_retry()) BIO_set_retry_read(bio);
    return 0;
  }
  *read = static_cast<std::size_t>(got);
  return 1;
}

long control_bio(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return 0;
}

BIO_METHOD* make_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "fallow socket");
  BIO_meth_set_write_ex(method, write_bio);
  BIO_meth_set_read_ex(method, read_bio);
  BIO_meth_set_ctrl(method, control_bio);
  return method;
}

}  // namespace

ssl_st* make_socket_ssl(ssl_ctx_st* context, int fd) {
  // Immutable and needed as long as any connection: never freed.
  static BIO_METHOD* const method = make_method();
  SSL* ssl = SSL_new(context);
  if (ssl == nullptr) return nullptr;
  BIO* bio = BIO_new(method);
  if (bio == nullptr) {
    SSL_free(ssl);
    return nullptr;
  }
  // BIO keeps one pointer of ours, and a number is all that is needed.
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  return ssl;
}

}  // namespace fallow::net
