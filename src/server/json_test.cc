#include "server/json.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fallow/v1/services.pb.h"

namespace fallow::server {
namespace {

v1::Problem refused(std::string_view text) {
  v1::CreateOrderRequest request;
  const Answer<void> answer = read_json(text, request);
  return answer ? v1::Problem() : answer.error();
}

TEST(ReadJson, FillsTheMessageByTheSchemasNames) {
  v1::CreateOrderRequest request;
  ASSERT_TRUE(read_json(R"({"name": "a", "requirements": {"hours": 2.5, "tier": "ON_DEMAND",
      "max_price_per_hour": "0.42"}, "workload": {"command": ["true"]}})",
                        request));
  EXPECT_EQ(request.name(), "a");
  EXPECT_EQ(request.requirements().hours(), 2.5);
  EXPECT_EQ(request.requirements().max_price_per_hour(), "0.42");
  EXPECT_EQ(request.workload().command(0), "true");
}

TEST(ReadJson, BlankIsAnEmptyObject) {
  v1::CreateOrderRequest request;
  EXPECT_TRUE(read_json("", request));
  EXPECT_TRUE(read_json(" \r\n\t", request));
  EXPECT_TRUE(read_json("{}", request));
  EXPECT_EQ(request.ByteSizeLong(), 0U);
}

TEST(ReadJson, NamesTheUnknownField) {
  EXPECT_EQ(refused(R"({"quot": "x"})").code(), "unknown_field");
  EXPECT_EQ(refused(R"({"quot": "x"})").field(), "quot");
  EXPECT_EQ(refused(R"({"requirements": {"nope": 1}})").field(), "requirements.nope");
  EXPECT_EQ(refused(R"({"workload": {"environment": [{"name": "a", "valu": "b"}]}})").code(),
            "unknown_field");
}

TEST(ReadJson, NamesTheFieldOfTheWrongType) {
  const struct {
    const char* text;
    const char* field;
  } cases[] = {
      {R"({"requirements": {"hours": "abc"}})", "requirements.hours"},
      {R"({"tasks": -1})", "tasks"},
      {R"({"tasks": 1.5})", "tasks"},
      {R"({"tasks": 99999999999})", "tasks"},
      {R"({"budget": 5})", "budget"},
      {R"({"name": true})", "name"},
      {R"({"name": ["a"]})", "name"},
      {R"({"no_wait": 1})", "no_wait"},
      {R"({"workload": {"command": [1]}})", "workload.command[0]"},
      {R"({"requirements": {"tier": "FREE"}})", "requirements.tier"},
      {R"({"requirements": {"tier": 77}})", "requirements.tier"},
      {R"({"requirements": 5})", "requirements"},
  };
  for (const auto& c : cases) {
    const v1::Problem problem = refused(c.text);
    EXPECT_EQ(problem.code(), "type_wrong") << c.text;
    EXPECT_EQ(problem.field(), c.field) << c.text;
    EXPECT_EQ(problem.status(), 400U) << c.text;
    EXPECT_FALSE(problem.detail().empty()) << c.text;
  }
}

TEST(ReadJson, RefusesWhatIsNotJson) {
  for (const char* text : {"{", "}", "{]", "{\"name\": 'a'}", "{name: \"a\"}", "{\"a\":1,}", "nul",
                           "{} {}", "{\"name\": \"\\ud800\"}", "{\"name\": \"\xff\"}",
                           "{\"name\": \"\xc0\xaf\"}", "{\"tasks\": 01}", "{\"tasks\": +1}",
                           "{\"hours\": NaN}", "\xef\xbb\xbf{}", "{\"name\": \"a\nb\"}"}) {
    EXPECT_EQ(refused(text).code(), "json_invalid") << text;
  }
  EXPECT_EQ(refused("[]").code(), "type_wrong");
  EXPECT_EQ(refused("\"x\"").code(), "type_wrong");
  EXPECT_EQ(refused("5").code(), "type_wrong");
}

TEST(ReadJson, RefusesDepthAndNumbersWithoutEnd) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"requirements\":";
  EXPECT_EQ(refused(deep).code(), "json_invalid");
  EXPECT_EQ(refused(std::string(1'000'000, '[')).code(), "json_invalid");
  EXPECT_NE(refused(R"({"requirements": {"hours": 1e400}})").code(), "");
  EXPECT_NE(refused("{\"tasks\": " + std::string(100'000, '9') + "}").code(), "");
  EXPECT_NE(refused("{\"" + std::string(10'000, 'k') + "\": 1}").code(), "");
}

TEST(ReadParameter, ReadsEachKindStrictly) {
  const auto read = [](const char* field, std::string_view text) {
    v1::ListLeasesRequest request;
    return read_parameter(text, *request.GetDescriptor()->FindFieldByName(field), request)
        .has_value();
  };
  EXPECT_TRUE(read("page_size", "10"));
  EXPECT_TRUE(read("order", "18446744073709551615"));
  EXPECT_TRUE(read("open_only", "true"));
  EXPECT_TRUE(read("page_token", ""));
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "0x10", "1.0", "4294967296", "a"}) {
    EXPECT_FALSE(read("page_size", text)) << text;
  }
  EXPECT_FALSE(read("order", "18446744073709551616"));
  EXPECT_FALSE(read("open_only", "yes"));
  EXPECT_FALSE(read("page_token", "\xff"));
}

TEST(WriteJson, WritesEveryFieldByItsOwnName) {
  v1::WalletView wallet;
  wallet.set_account(7);
  wallet.set_available("0.42");
  const std::string text = write_json(wallet);
  EXPECT_NE(text.find(R"("account":"7")"), text.npos) << text;
  EXPECT_NE(text.find(R"("month_budget":"")"), text.npos) << text;
}

TEST(WriteJson, AProblemLeavesOutWhatDoesNotApply) {
  const std::string text = write_problem(make_problem(404, "not_found", "there is no such thing"));
  EXPECT_NE(text.find(R"("status":404)"), text.npos) << text;
  EXPECT_EQ(text.find("column"), text.npos) << text;
}

}  // namespace
}  // namespace fallow::server
