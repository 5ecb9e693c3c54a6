#include "runtime/image_name.h"

#include <gtest/gtest.h>

namespace fallow::runtime {
namespace {

const std::string kHex(64, 'a');

TEST(ImageName, OfARegistry) {
  const auto plain = parse_image_name("alpine");
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(skopeo_source(*plain, "", ""), "docker://docker.io/library/alpine:latest");
  const auto tagged = parse_image_name("docker://ghcr.io/org/tool:1.2");
  ASSERT_TRUE(tagged) << tagged.error().message;
  EXPECT_EQ(tagged->registry, "ghcr.io");
  EXPECT_EQ(tagged->repository, "org/tool");
  EXPECT_EQ(skopeo_source(*tagged, "", kHex), "docker://ghcr.io/org/tool@sha256:" + kHex);
  const auto pinned = parse_image_name("localhost:5000/a/b:v1@sha256:" + kHex);
  ASSERT_TRUE(pinned) << pinned.error().message;
  EXPECT_EQ(pinned->digest, kHex);
  EXPECT_EQ(skopeo_source(*pinned, "", ""), "docker://localhost:5000/a/b@sha256:" + kHex);
  EXPECT_EQ(registry_host("[::1]:5000"), "::1");
  EXPECT_TRUE(parse_image_name("[::1]:5000/a"));
}

TEST(ImageName, OfTheInput) {
  const auto archive = parse_image_name("oci-archive:./images/tool.tar:v1");
  ASSERT_TRUE(archive) << archive.error().message;
  EXPECT_EQ(skopeo_source(*archive, "/in", ""), "oci-archive:/in/images/tool.tar:v1");
  const auto docker = parse_image_name("docker-archive:tool.tar:org/tool:1.2");
  ASSERT_TRUE(docker) << docker.error().message;
  EXPECT_EQ(skopeo_source(*docker, "/in", ""), "docker-archive:/in/tool.tar:org/tool:1.2");
  EXPECT_TRUE(parse_image_name("oci:folder"));
}

TEST(ImageName, RefusesWhatIsNone) {
  for (const std::string& name : {std::string(),
                                  std::string("../x"),
                                  std::string("UPPER"),
                                  std::string("a b"),
                                  std::string("-alpine"),
                                  std::string("alpine:-x"),
                                  std::string("alpine@sha256:12"),
                                  std::string("alpine@md5:") + kHex,
                                  std::string("oci:/etc"),
                                  std::string("oci:../up"),
                                  std::string("oci:a/../../b"),
                                  std::string("oci-archive:-rf"),
                                  std::string("oci:a b"),
                                  std::string("docker-archive:a.tar:x"),
                                  std::string("a\n"),
                                  std::string("reg.io:x/a"),
                                  std::string("dir:/etc"),
                                  std::string("a//b"),
                                  std::string("--creds/x"),
                                  std::string("x/../y"),
                                  std::string(600, 'a')}) {
    const auto parsed = parse_image_name(name);
    EXPECT_FALSE(parsed) << name;
  }
}

TEST(ImageName, RegistriesOfTheNeighbourhoodAreTheProvidersToAllow) {
  const Status denied = check_registry("127.0.0.1:5000", false);
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().code, ErrorCode::kDenied);
  EXPECT_TRUE(check_registry("127.0.0.1:5000", true));
}

}  // namespace
}  // namespace fallow::runtime
