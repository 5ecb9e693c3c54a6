#include "server/requirements.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace fallow::server {
namespace {

TEST(Wanted, FillsInWhatIsLeftOut) {
  const auto wanted = wanted_of({});
  ASSERT_TRUE(wanted);
  EXPECT_EQ(wanted->tasks, 1U);
  EXPECT_EQ(wanted->requirements.gpus(), 1U);
  EXPECT_EQ(wanted->requirements.device_thousandths(), 1000U);
  EXPECT_EQ(wanted->requirements.tier(), v1::ON_DEMAND);
  EXPECT_EQ(wanted->requirements.objective(), v1::CHEAPEST);
  EXPECT_EQ(wanted->requirements.duration_us(), kHour.value);
}

TEST(Wanted, ConvertsWithoutLosingAnything) {
  v1::CreateQuoteRequest request;
  request.set_hours(0.5);
  request.set_device_share(0.3);
  request.set_memory_gb(0.3);
  request.set_cpu_cores(2.5);
  request.set_disk_gb(0.0001);
  request.set_max_price_per_hour("0.42");
  const auto wanted = wanted_of(request);
  ASSERT_TRUE(wanted);
  EXPECT_EQ(wanted->requirements.duration_us(), kHour.value / 2);
  EXPECT_EQ(wanted->requirements.device_thousandths(), 300U);
  EXPECT_EQ(wanted->requirements.memory_mb(), 300U);
  EXPECT_EQ(wanted->requirements.cpu_thousandths(), 2500U);
  EXPECT_EQ(wanted->requirements.disk_mb(), 1U);
  EXPECT_EQ(wanted->requirements.price_per_hour_micros_max(), 420'000);
}

TEST(Wanted, NamesTheFieldThatIsOutOfRange) {
  const auto field = [](auto change) {
    v1::CreateQuoteRequest request;
    change(request);
    const auto wanted = wanted_of(request, "requirements.");
    EXPECT_FALSE(wanted);
    if (!wanted) {
      EXPECT_EQ(wanted.error().status(), 400U);
    }
    return wanted ? std::string() : wanted.error().field();
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinite = std::numeric_limits<double>::infinity();
  for (const double hours : {1e18, -1.0, nan, infinite, -infinite, 8785.0, 1e-18}) {
    EXPECT_EQ(field([&](auto& r) { r.set_hours(hours); }), "requirements.hours") << hours;
  }
  for (const double share : {-0.1, 1.1, nan, infinite}) {
    EXPECT_EQ(field([&](auto& r) { r.set_device_share(share); }), "requirements.device_share");
  }
  for (const double amount : {-1.0, 1e300, nan, infinite}) {
    EXPECT_EQ(field([&](auto& r) { r.set_memory_gb(amount); }), "requirements.memory_gb");
    EXPECT_EQ(field([&](auto& r) { r.set_cpu_cores(amount); }), "requirements.cpu_cores");
    EXPECT_EQ(field([&](auto& r) { r.set_disk_gb(amount); }), "requirements.disk_gb");
  }
  for (const char* price :
       {"-1", "1e3", "0.1234567", "99999999999999999999", "abc", " 1", "0", "0.00"}) {
    EXPECT_EQ(field([&](auto& r) { r.set_max_price_per_hour(price); }),
              "requirements.max_price_per_hour")
        << price;
  }
  EXPECT_EQ(field([](auto& r) { r.set_gpus(65); }), "requirements.gpus");
  EXPECT_EQ(field([](auto& r) { r.set_tasks(100'001); }), "requirements.tasks");
}

TEST(Wanted, ALimitOfZeroIsRefusedAndNotTakenForNone) {
  EXPECT_EQ(limit_of("budget", "").value(), Micros(0));
  EXPECT_EQ(limit_of("budget", "0.000001").value(), Micros(1));
  for (const char* limit : {"0", "0.00", "-1", "x"}) {
    const auto refused = limit_of("budget", limit);
    ASSERT_FALSE(refused) << limit;
    EXPECT_EQ(refused.error().status(), 400U);
    EXPECT_EQ(refused.error().field(), "budget");
  }
}

TEST(Wanted, ImagesJoinTheQuery) {
  v1::CreateQuoteRequest request;
  request.set_images(true);
  EXPECT_EQ(wanted_of(request)->requirements.query(), "images=true");
  request.set_query("gpu_ram>=24");
  EXPECT_EQ(wanted_of(request)->requirements.query(), "gpu_ram>=24 images=true");
  request.set_query("images=true gpu_ram>=24");
  EXPECT_EQ(wanted_of(request)->requirements.query(), "images=true gpu_ram>=24");
  request.set_images(false);
  request.set_query("");
  EXPECT_EQ(wanted_of(request)->requirements.query(), "");
  for (const char* query : {"images=true", "gpu_ram>=8 images in [true]", "images!=false"}) {
    EXPECT_TRUE(wants_images(query)) << query;
  }
  for (const char* query :
       {"", "images=any", "images=false", "images in [true,false]", "images="}) {
    EXPECT_FALSE(wants_images(query)) << query;
  }
}

}  // namespace
}  // namespace fallow::server
