#include "runtime/egress_count.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fallow::runtime {
namespace {

using testing::HasSubstr;
using namespace std::string_literals;

// What a kernel answers for a quota of 2,000,000 bytes of which 1,234,567 are used.
std::string kernels_answer() {
  const std::string data =
      "\x0c\0\x01\0\0\0\0\0\0\x1e\x84\x80"s   // NFTA_QUOTA_BYTES
      "\x08\0\x02\0\0\0\0\x01"s               // NFTA_QUOTA_FLAGS
      "\x0c\0\x04\0\0\0\0\0\0\x12\xd6\x87"s;  // NFTA_QUOTA_CONSUMED
  std::string attributes =
      "\x06\0\x01\0t\0\0\0"s       // NFTA_OBJ_TABLE, padded
      "\x09\0\x02\0sent\0\0\0\0"s  // NFTA_OBJ_NAME, padded
      "\x08\0\x03\0\0\0\0\x02"s    // NFTA_OBJ_TYPE
      "\x24\0\x04\x80"s;           // NFTA_OBJ_DATA, nested
  attributes += data;
  std::string answer = "\0\0\0\0\x12\x0a\0\0\0\0\0\0\0\0\0\0\x01\0\0\0"s + attributes;
  answer[0] = static_cast<char>(answer.size());
  return answer;
}

TEST(EgressCount, ReadsWhatTheKernelSays) {
  const std::string answer = kernels_answer();
  EXPECT_EQ(count_in(answer), 1'234'567U);
  for (std::size_t size = 0; size < answer.size(); ++size) {
    EXPECT_FALSE(count_in(std::string_view(answer).substr(0, size))) << size;
  }
  std::string refused = answer;
  refused[4] = 2;  // NLMSG_ERROR
  refused[5] = 0;
  EXPECT_FALSE(count_in(refused));
  std::string endless = answer;
  endless[20] = 0;  // an attribute of no length
  EXPECT_FALSE(count_in(endless));
}

TEST(EgressCount, AsksForTheTablesOwn) {
  const std::string question = count_question("fallow_abc_5_99");
  EXPECT_EQ(question.size() % 4, 0U);
  EXPECT_EQ(static_cast<std::size_t>(question[0]), question.size());
  EXPECT_THAT(question, HasSubstr("fallow_abc_5_99\0"s));
  EXPECT_THAT(question, HasSubstr("sent\0"s));
}

TEST(EgressCount, OfATableThatIsNotThereNothingIsKnown) {
  EXPECT_FALSE(egress_bytes_of("fallow_nobody_1_1"));
}

}  // namespace
}  // namespace fallow::runtime
