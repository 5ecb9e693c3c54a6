#include "client/rpc.h"

#include <gtest/gtest.h>

#include "fallow/v1/services.pb.h"

namespace fallow::client {
namespace {

TEST(Rpc, PathParametersLeaveTheBody) {
  v1::SetOfferRequest request;
  request.set_node(7);
  request.set_price_per_hour("0.35");
  const RpcRequest made = make_rpc_request(find_rpc("Nodes.SetOffer"), request);
  EXPECT_EQ(made.method, "PUT");
  EXPECT_EQ(made.target, "/v1/nodes/7/offer");
  EXPECT_EQ(made.body, R"({"price_per_hour":"0.35"})");
}

TEST(Rpc, ReadsCarryTheRestInTheQueryPercentEncoded) {
  v1::ListOffersRequest request;
  request.set_query("gpu_ram>=24 region in [eu,us]&x=1");
  request.set_page_size(10);
  const RpcRequest made = make_rpc_request(find_rpc("Market.ListOffers"), request);
  EXPECT_EQ(made.method, "GET");
  EXPECT_EQ(made.target,
            "/v1/offers?query=gpu_ram%3E%3D24%20region%20in%20%5Beu%2Cus%5D%26x%3D1&page_size=10");
  EXPECT_EQ(made.body, "");
}

TEST(Rpc, NumbersInTheQueryAreWhatTheyWere) {
  v1::GetExtensionRequest request;
  request.set_order(12345);
  request.set_hours(0.1);
  EXPECT_EQ(make_rpc_request(find_rpc("Orders.GetExtension"), request).target,
            "/v1/orders/12345/extension?hours=0.1");
}

TEST(Rpc, AParameterCannotLeaveItsPlaceInThePath) {
  v1::RevokeKeyRequest request;
  request.set_key("../accounts?x=/y");
  EXPECT_EQ(make_rpc_request(find_rpc("Accounts.RevokeKey"), request).target,
            "/v1/keys/..%2Faccounts%3Fx%3D%2Fy");
}

TEST(RpcDeathTest, AnUnknownRpcIsABug) {
  EXPECT_DEATH((void)find_rpc("Orders.Frobnicate"), "CHECK failed");
}

}  // namespace
}  // namespace fallow::client
