// Made-up jobs, prices and churn for the tests of the market laboratory.
#pragma once

#include <fmt/core.h>

#include <string>

#include "base/check.h"
#include "sim/csv_table.h"
#include "sim/market_run.h"
#include "sim/market_trace.h"

namespace fallow::sim {

inline CsvTable csv_of(const std::string& text, const std::string& name) {
  auto table = CsvTable::parse(text, name);
  FALLOW_CHECK(table.has_value(), "{}", table.error().message);
  return *table;
}

constexpr const char* kJobsHead = "timestamp,duration,num_gpus,gpu_time,cluster\n";
constexpr const char* kBookHead =
    "rank,gpu,vram_gb,dlperf,tflops,state,verification,count,price_median,price_p10,price_p90\n";
constexpr const char* kChurnHead = "trace,what,family,avail_p1,avail_p2,unavail_p1,unavail_p2\n";

// Two days, a job every ten minutes; some long, some on several cards.
inline std::string some_jobs() {
  std::string text = kJobsHead;
  for (int i = 0; i < 288; ++i) {
    text += fmt::format("2017-10-{:02} {:02}:{:02}:00,{}.5,{},1.0,c{}\n", 3 + i / 144, i / 6 % 24,
                        i % 6 * 10, i % 20 == 0 ? 40'000 : 300 + i * 7, i % 12 == 0 ? 2 : 1, i % 3);
  }
  return text;
}

inline std::string some_book() {
  return std::string(kBookHead) +
         "1,RTX 4090,24,98,82,all,verified,100,0.33,0.26,0.4\n"
         "1,RTX 4090,24,98,82,available,verified,40,0.35,0.3,0.43\n"
         "1,RTX 4090,24,98,82,all,unverified,40,0.3,0.2,0.4\n"
         "1,RTX 4090,24,98,82,available,unverified,0,,,\n"
         "2,RTX 3060,12,10,12,all,verified,30,0.06,,\n"
         "2,RTX 3060,12,10,12,available,unverified,9,0.04,0.03,0.05\n"
         "2,RTX 3060,12,10,12,all,unverified,60,0.05,0.03,0.05\n"
         "3,GTX 1050,2,1,2,all,verified,0,,,\n";
}

inline std::string some_churn() {
  return std::string(kChurnHead) +
         "Homes,\"desktops, at night\",Wbl,0.5,6,0.6,3\nHomes,x,Exp,5,,2,\n"
         "Halls,servers,Wbl,0.8,500,0.7,2\n";
}

inline MarketInputs some_inputs() {
  MarketInputs inputs;
  inputs.jobs = *parse_jobs(csv_of(some_jobs(), "jobs.csv"));
  inputs.book = *parse_price_book(csv_of(some_book(), "book.csv"));
  inputs.home = *parse_churn(csv_of(some_churn(), "churn.csv"), "Homes");
  inputs.verified = *parse_churn(csv_of(some_churn(), "churn.csv"), "Halls");
  return inputs;
}

}  // namespace fallow::sim
