// The OpenSSL side of a socket: SSL_set_fd, except that a write to a closed peer raises no SIGPIPE.
//
// The process's signal settings stay untouched, so children (workloads) do not inherit any. Private
// to Stream.
#pragma once

struct ssl_st;
struct ssl_ctx_st;

namespace fallow::net {

// A new SSL on the non-blocking socket, or nullptr with OpenSSL's error queue set. The caller frees
// it with SSL_free; the socket stays the caller's.
ssl_st* make_socket_ssl(ssl_ctx_st* context, int fd);

}  // namespace fallow::net
