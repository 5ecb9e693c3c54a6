// A lease whose devices are to be proven before it begins.
#include "agent/reconciler_test.h"

namespace fallow::agent {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class ReconcilerProofTest : public ReconcilerTest {
 protected:
  static v1::DesiredLease waiting(std::uint64_t id, std::uint64_t proof = 4) {
    v1::DesiredLease desired = lease(id, {0});
    desired.set_proof(proof);
    return desired;
  }
  bool may_prove(std::uint64_t id, std::uint64_t proof = 4) const {
    return reconciler_->may_prove(LeaseId(id), proof, now());
  }
  std::vector<Action> prepared(std::uint64_t id) {
    reconciler_->happened(Prepared{LeaseId(id)}, now());
    return run_for(milliseconds(1));
  }
};

TEST_F(ReconcilerProofTest, ItBeginsOnlyWhenItIsNoLongerWaitedFor) {
  connect();
  desire({waiting(7)});
  EXPECT_FALSE(may_prove(7)) << "the market has not heard that the node has the lease";
  run_for(milliseconds(1));
  EXPECT_TRUE(may_prove(7)) << "while its inputs are on their way";
  EXPECT_FALSE(may_prove(7, 5)) << "another proof";
  EXPECT_TRUE(report(7).proves());
  EXPECT_THAT(of<Start>(prepared(7)), IsEmpty());
  EXPECT_TRUE(report(7).proves());
  reconciler_->set_held(LeaseId(7), true);
  desire({lease(7, {0})});  // it has passed
  EXPECT_THAT(of<Start>(run_for(milliseconds(1))), IsEmpty()) << "its process is not gone";
  EXPECT_FALSE(report(7).proves());
  EXPECT_FALSE(may_prove(7));
  reconciler_->set_held(LeaseId(7), false);
  EXPECT_THAT(of<Start>(run_for(milliseconds(1))), SizeIs(1));
}

TEST_F(ReconcilerProofTest, ARestartedAgentStillWaits) {
  connect();
  desire({waiting(7)});
  run_for(milliseconds(1));
  prepared(7);
  restart({});
  EXPECT_THAT(of<Prepare>(run_for(milliseconds(1))), SizeIs(1));
  welcome();
  run_for(milliseconds(1));
  EXPECT_THAT(of<Start>(prepared(7)), IsEmpty());
  EXPECT_TRUE(may_prove(7));
  desire({lease(7, {0})});
  EXPECT_THAT(of<Start>(run_for(milliseconds(1))), SizeIs(1));
}

TEST_F(ReconcilerProofTest, NotWhileTheOwnerIsThereOrItStops) {
  connect();
  v1::DesiredLease desired = waiting(7);
  desire({desired});
  run_for(milliseconds(1));
  prepared(7);
  EXPECT_TRUE(may_prove(7));
  reconciler_->set_owner(v1::OWNER_PRESENT, now());
  EXPECT_FALSE(may_prove(7));
  reconciler_->set_owner(v1::OWNER_AWAY, now());
  EXPECT_TRUE(may_prove(7));
  desired.set_stop(true);
  desire({desired});
  EXPECT_FALSE(may_prove(7));
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).reason(), v1::STOPPED);
}

// The market has given its device to another before the process that proved it is gone.
TEST_F(ReconcilerProofTest, NobodyGetsADeviceThatIsStillProven) {
  connect();
  desire({waiting(7)});
  run_for(milliseconds(1));
  prepared(7);
  reconciler_->set_held(LeaseId(7), true);
  desire({lease(8, {0})});
  run_for(milliseconds(1));
  EXPECT_THAT(of<Start>(prepared(8)), IsEmpty());
  EXPECT_TRUE(reconciler_->workloads().contains(LeaseId(7)));
  reconciler_->set_held(LeaseId(7), false);
  EXPECT_THAT(of<Start>(run_for(milliseconds(1))), SizeIs(1));
  EXPECT_FALSE(reconciler_->workloads().contains(LeaseId(7)));
}

}  // namespace
}  // namespace fallow::agent
