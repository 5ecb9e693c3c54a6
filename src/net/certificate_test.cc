#include "net/certificate.h"

#include <gtest/gtest.h>

#include "net/tls.h"

namespace fallow::net {
namespace {

TEST(Certificate, IsMadeAndUsableByAServer) {
  const auto made = generate_self_signed({"market.example", "10.0.0.7", "::1"}, 30);
  ASSERT_TRUE(made);
  const auto tls = TlsServer::from_pem(made->certificate_pem, made->key_pem);
  ASSERT_TRUE(tls) << tls.error().message;
  EXPECT_EQ((*tls)->fingerprint(), certificate_fingerprint(made->certificate_pem).value());
  const auto other = generate_self_signed({"market.example"}, 30);
  EXPECT_NE((*tls)->fingerprint(), certificate_fingerprint(other->certificate_pem).value());
}

TEST(Certificate, RefusesWhatIsNoHostOrTerm) {
  EXPECT_FALSE(generate_self_signed({}, 1));
  EXPECT_FALSE(generate_self_signed({""}, 1));
  EXPECT_FALSE(generate_self_signed({"a,DNS:b"}, 1));
  EXPECT_FALSE(generate_self_signed({"a"}, 0));
  EXPECT_FALSE(generate_self_signed({"a"}, 1'000'000));
}

TEST(Certificate, AServerNeedsAPairThatBelongsTogether) {
  const auto one = generate_self_signed({"a"}, 1);
  const auto two = generate_self_signed({"a"}, 1);
  EXPECT_FALSE(TlsServer::from_pem(one->certificate_pem, two->key_pem));
  EXPECT_FALSE(TlsServer::from_pem(one->certificate_pem, "junk"));
  EXPECT_FALSE(TlsServer::from_pem("", one->key_pem));
  EXPECT_FALSE(certificate_fingerprint("-----BEGIN CERTIFICATE-----\nAAAA\n"));
}

}  // namespace
}  // namespace fallow::net
