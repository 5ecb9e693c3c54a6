#include "core/query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace fallow::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Query parsed(std::string_view text) {
  QueryError error;
  const std::optional<Query> query = Query::parse(text, error);
  EXPECT_TRUE(query.has_value()) << text << ": column " << error.column << ": " << error.message;
  return query.value_or(Query());
}

QueryError refused(std::string_view text, std::size_t bytes_max = 2'048) {
  QueryError error;
  EXPECT_FALSE(Query::parse(text, error, bytes_max).has_value()) << text;
  return error;
}

Node rig() {
  Node node;
  node.id = NodeId(4'096);
  node.provider = AccountId(8'193);
  node.facts.set_lan("rack 7");
  node.facts.set_rack("A 3");
  node.facts.set_region("eu");
  node.facts.set_cpu_thousandths(16'000);
  node.facts.set_memory_mb(64'000);
  node.facts.set_disk_mb(500'000);
  node.facts.set_download_mbps(1'000);
  node.facts.set_upload_mbps(100);
  node.facts.set_isolation(v1::GVISOR);
  node.facts.set_images(true);
  node.offer.egress_gb = Micros(20'000);
  for (std::uint32_t i = 0; i < 2; ++i) {
    NodeDevice device;
    device.facts.set_index(i);
    device.facts.set_model("RTX_4090");
    device.facts.set_kind(v1::GPU);
    device.facts.set_memory_mb(24'564);
    node.devices.push_back(device);
  }
  node.offer.id = OfferId(1);
  node.offer.device_hour = Micros(310'000);
  return node;
}

TEST(Query, ReadsTheExampleOfTheDocumentation) {
  const Query query =
      parsed("gpu_name=RTX_4090 num_gpus>=2 gpu_ram>=24 reliability>0.9 region in [eu,us]");
  ASSERT_EQ(query.predicates().size(), 5U);
  EXPECT_EQ(query.predicates()[0].field, Field::kGpuName);
  EXPECT_THAT(query.predicates()[0].words, ElementsAre("rtx_4090"));
  EXPECT_EQ(query.predicates()[1].op, Operator::kGreaterEqual);
  EXPECT_THAT(query.predicates()[1].numbers, ElementsAre(2));
  EXPECT_THAT(query.predicates()[2].numbers, ElementsAre(24'000));
  EXPECT_THAT(query.predicates()[3].numbers, ElementsAre(900'000));
  EXPECT_THAT(query.predicates()[4].words, ElementsAre("eu", "us"));
  EXPECT_EQ(query.predicates()[4].column, 59U);
  EXPECT_TRUE(query.matches(rig()));
}

TEST(Query, AnEmptyQueryMatchesEveryGpu) {
  EXPECT_TRUE(parsed("").matches(rig()));
  EXPECT_TRUE(parsed(" \t\r\n ").matches(rig()));
}

struct Case {
  const char* query;
  bool matches;
};
class EveryOperator : public testing::TestWithParam<Case> {};
TEST_P(EveryOperator, HoldsAsWritten) {
  EXPECT_EQ(parsed(GetParam().query).matches(rig()), GetParam().matches) << GetParam().query;
}
INSTANTIATE_TEST_SUITE_P(
    Query, EveryOperator,
    testing::Values(
        Case{"num_gpus<2", false}, Case{"num_gpus<=2", true}, Case{"num_gpus=2", true},
        Case{"num_gpus==2", true}, Case{"num_gpus!=2", false}, Case{"num_gpus>=2", true},
        Case{"num_gpus>2", false}, Case{"num_gpus in [1,2]", true}, Case{"num_gpus in [1]", false},
        Case{"num_gpus notin [1,2]", false}, Case{"num_gpus not in [4]", true},
        Case{"num_gpus=any", true}, Case{"region in any", true}, Case{"region==ANY", true},
        Case{"price<0.31", false}, Case{"price<=0.31", true}, Case{"price<0.310001", true},
        Case{"reliability>=0.95", true}, Case{"reliability>0.95", false},
        Case{"cpu_cores>=16", true}, Case{"cpu_ram>64", false}, Case{"disk_space>=500", true},
        Case{"inet_down>=1000", true}, Case{"inet_up>100.001", false},
        Case{"isolation>=runc", true}, Case{"isolation>gvisor", false},
        Case{"isolation in [runc,GVISOR]", true}, Case{"images=true", true},
        Case{"images=FALSE", false}, Case{"images!=true", false}, Case{"images=any", true},
        Case{"device_kind=gpu", true}, Case{"device_kind=cpu", false}, Case{"node=4096", true},
        Case{"node!=4096", false}, Case{"provider=8193", true}, Case{"lan='RACK 7'", true},
        Case{"lan!=rack_7", false}, Case{"rack=a_3", true}, Case{"rack in [a_4,\"\"]", false},
        Case{"egress_price<=0.02", true}, Case{"egress_price<0.02", false},
        Case{"egress_price in [0,0.019999]", false}, Case{"lan in [rack_6,rack_7]", true},
        Case{"GPU_NAME = 'rtx 4090'", true}, Case{"gpu_name!=RTX_4090", false},
        Case{"gpu_name notin [RTX_3090]", true}, Case{"gpu_ram>=24.564", true},
        Case{"gpu_ram>24.564", false}, Case{"region=\"EU\"", true},
        Case{"region in [\"eu\" , us]num_gpus>1", true}, Case{"gpu_ram>=24 gpu_ram<24", false}));

TEST(Query, SpeaksOfSingleDevices) {
  Node node = rig();
  node.devices[1].facts.set_model("RTX_3060");
  node.devices[1].facts.set_memory_mb(12'288);
  EXPECT_TRUE(parsed("gpu_name=RTX_4090 gpu_ram>=24").matches(node));
  EXPECT_TRUE(parsed("gpu_name=RTX_4090 num_gpus=1").matches(node)) << "one such device";
  EXPECT_FALSE(parsed("gpu_name=RTX_4090 num_gpus=2").matches(node));
  EXPECT_FALSE(parsed("gpu_name=RTX_3060 gpu_ram>=24").matches(node)) << "no device has both";
  EXPECT_TRUE(parsed("gpu_name!=RTX_4090").matches(node)) << "the other one";
}

TEST(Query, MatchesAProcessorOnlyWhenAskedForIt) {
  Node node = rig();
  node.devices.resize(1);
  node.devices[0].facts.set_kind(v1::CPU);
  node.devices[0].facts.set_model("EPYC");
  EXPECT_FALSE(parsed("").matches(node));
  EXPECT_FALSE(parsed("gpu_ram>=1").matches(node));
  EXPECT_TRUE(parsed("device_kind=cpu").matches(node));
  EXPECT_TRUE(parsed("device_kind=any").matches(node));
  EXPECT_TRUE(parsed("gpu_name=epyc").matches(node));
  node.devices[0].facts.mutable_proof()->set_state(v1::PROVEN);
  EXPECT_FALSE(parsed("gpu_name=epyc verified=true").matches(node))
      << "neither model nor memory of a processor is proven";
  EXPECT_TRUE(parsed("gpu_name=epyc verified=true device_kind=any").matches(node));
}

struct Refused {
  const char* query;
  std::uint32_t column;
  const char* message;
};
class EveryMistake : public testing::TestWithParam<Refused> {};
TEST_P(EveryMistake, IsPointedAt) {
  const QueryError error = refused(GetParam().query);
  EXPECT_EQ(error.column, GetParam().column) << GetParam().query << ": " << error.message;
  EXPECT_THAT(error.message, HasSubstr(GetParam().message)) << GetParam().query;
}
INSTANTIATE_TEST_SUITE_P(
    Query, EveryMistake,
    testing::Values(
        Refused{"gpu_rma>=16", 1, "did you mean gpu_ram?"},
        Refused{"num_gpus=1 relability>0.9", 12, "did you mean reliability?"},
        Refused{"dph<0.4", 1, "did you mean price?"},
        Refused{"zzzzzzzz=1", 1, "the fields are gpu_name, num_gpus"},
        Refused{">=24", 1, "expected a field"}, Refused{"gpu_ram 24", 9, "expected one of <"},
        Refused{"gpu_ram", 8, "not \"the end\""}, Refused{"gpu_ram>=", 10, "expected a value"},
        Refused{"gpu_ram=>24", 8, "did you mean >=?"},
        Refused{"gpu_ram=<24", 8, "did you mean <=?"},
        Refused{"gpu_ram>=24GB", 10, "takes a plain number such as 24"},
        Refused{"gpu_ram>='24'", 10, "takes a plain number"},
        Refused{"gpu_ram>=-1", 10, "takes a plain number"},
        Refused{"gpu_ram>=1.", 10, "takes a plain number"},
        Refused{"gpu_ram>=.5", 10, "takes a plain number"},
        Refused{"gpu_ram>=1e3", 10, "takes a plain number"},
        Refused{"gpu_ram>=0.0001", 15, "at most 3 decimals"},
        Refused{"price<0.0000001", 15, "at most 6 decimals"},
        Refused{"num_gpus>=1.5", 13, "whole number"},
        Refused{"gpu_ram>=9223372036854775808", 10, "too large"},
        Refused{"gpu_name>RTX_4090", 9, "has no order"}, Refused{"region=", 8, "such as eu"},
        Refused{"region=[eu,us]", 8, "a list goes with in or notin"},
        Refused{"region in eu", 11, "expected a list such as region in [eu]"},
        Refused{"region in []", 12, "the list is empty"},
        Refused{"region in [eu", 14, "expected , or ]"},
        Refused{"region in [eu us]", 15, "expected , or ]"},
        Refused{"region in [eu,]", 15, "expected a value"},
        Refused{"region in [any]", 12, "any stands alone"},
        Refused{"region!=any", 9, "any goes with ="}, Refused{"region notin any", 14, "a list"},
        Refused{"region=\"eu", 8, "not closed"}, Refused{"region=\"e\xff\"", 10, "ASCII"},
        Refused{"region=e\xc3\xbc", 9, "expected a field"},
        Refused{"isolation=docker", 11, "bubblewrap, runc, gvisor, microvm"},
        Refused{"images=1", 8, "true or false"}, Refused{"device_kind=tpu", 13, "gpu, cpu"},
        Refused{"\x01", 1, "\"?\""}, Refused{"num_gpus>=2,gpu_ram>=24", 12, "expected a field"}));

TEST(Query, NumbersReachTheWholeRangeAndNoFurther) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  EXPECT_THAT(parsed("node=9223372036854775807").predicates()[0].numbers, ElementsAre(kMax));
  EXPECT_THAT(parsed("price<9223372036854.775807").predicates()[0].numbers, ElementsAre(kMax));
  EXPECT_EQ(refused("price<9223372036854.775808").column, 7U);
  EXPECT_THAT(parsed("gpu_ram>=24.500000").predicates()[0].numbers, ElementsAre(24'500));
}

TEST(Query, IsBounded) {
  EXPECT_EQ(refused(std::string(2'049, ' ')).column, 2'049U);
  EXPECT_EQ(refused("num_gpus=1", 9).column, 10U);
  std::string many;
  for (std::size_t i = 0; i < kPredicatesMax; ++i) many += "num_gpus>0 ";
  EXPECT_EQ(parsed(many).predicates().size(), kPredicatesMax);
  EXPECT_THAT(refused(many + "num_gpus>0").message, HasSubstr("at most 32"));
  std::string list = "num_gpus in [1";
  for (std::size_t i = 1; i < kListValuesMax; ++i) list += ",1";
  EXPECT_EQ(parsed(list + "]").predicates()[0].numbers.size(), kListValuesMax);
  EXPECT_THAT(refused(list + ",1]").message, HasSubstr("at most 64"));
}

TEST(Query, PrintedBackParsesToTheSame) {
  for (const char* text :
       {"", "gpu_name=RTX_4090 num_gpus>=2 gpu_ram>=24 reliability>0.95 region in [eu,us]",
        "gpu_name='RTX 6000 Ada' region=\"\"", "region in [\"any\",\"a,b\",'x\"y',\"it's\"]",
        "device_kind=any price<0.000001 isolation notin [runc,microvm] images=true",
        "disk_space!=0.5 node in [1,2,18446744073]", "region=\"<>=![],\" gpu_name!='\"'"}) {
    const Query query = parsed(text);
    EXPECT_EQ(parsed(query.text()), query) << text << " -> " << query.text();
  }
  EXPECT_EQ(parsed(" gpu_ram >= 024.50  region  not in [ EU , 'US east' ] ").text(),
            "gpu_ram>=24.5 region notin [eu,us_east]");
}

TEST(Query, EqualityIsOfMeaningNotOfPlace) {
  EXPECT_EQ(parsed("gpu_ram>=24"), parsed("   gpu_ram  >=  24.0"));
  EXPECT_FALSE(parsed("gpu_ram>=24") == parsed("gpu_ram>24"));
}

TEST(Reliability, StartsFromAPriorAndFollowsTheRecord) {
  Node node;
  EXPECT_EQ(reliability_ppm(node), 950'000U);
  node.leases_broken = 1;
  EXPECT_EQ(reliability_ppm(node), 904'761U);
  node.leases_kept = 979;
  EXPECT_EQ(reliability_ppm(node), 998'000U);
  node.leases_kept = std::numeric_limits<std::uint32_t>::max();
  node.leases_broken = std::numeric_limits<std::uint32_t>::max();
  EXPECT_EQ(reliability_ppm(node), 500'000U);
}

TEST(Reliability, WhatWasKeptCountsByItsTime) {
  Node node;
  for (int i = 0; i < 1'000; ++i) count_ended(node, false, Duration(0), true);
  EXPECT_EQ(reliability_ppm(node), 950'000U) << "a thousand leases that proved nothing";
  count_ended(node, false, kKeptWhole - Duration(1), true);
  EXPECT_EQ(node.leases_kept, 0U);
  count_ended(node, false, Duration(1), true);
  EXPECT_EQ(node.leases_kept, 1U);
  count_ended(node, false, hours(24 * 30), true);
  EXPECT_EQ(node.leases_kept, 2U) << "the longest is no more than one";
  count_ended(node, true, Duration(0), true);
  EXPECT_EQ(node.leases_broken, 1U);
  count_ended(node, false, Duration(0), false);
  EXPECT_EQ(node.leases_kept, 3U) << "as of a market without the rule";
  EXPECT_EQ(node.kept_time, Duration(0));
}

}  // namespace
}  // namespace fallow::core
