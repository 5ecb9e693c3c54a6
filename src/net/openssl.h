// OpenSSL's objects with an owner. Values; no thread of their own.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>

namespace fallow::net {

template <auto free_function>
struct OpensslDeleter {
  template <class T>
  void operator()(T* object) const {
    free_function(object);
  }
};
using OpensslBio = std::unique_ptr<BIO, OpensslDeleter<BIO_free>>;
using OpensslCertificate = std::unique_ptr<X509, OpensslDeleter<X509_free>>;
using OpensslKey = std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY_free>>;

}  // namespace fallow::net
