// A server with one provider's nodes, one renter with money, and clients: what benchmarks of the
// whole path share.
//
// Owner: one benchmark. Any thread; each client is one thread's. What fails ends the benchmark with
// a sentence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/env.h"
#include "bench_folder.h"
#include "log/log.h"
#include "net/http_client.h"
#include "server/server.h"

namespace fallow::bench {

class BenchServer {
 public:
  struct Settings {
    bool tls = false;
    bool durable = false;  // a log on the disk below the working folder; otherwise in memory
    std::uint32_t nodes = 0;
    std::uint32_t devices_per_node = 1;
  };

  explicit BenchServer(const Settings& settings);
  ~BenchServer();

  // A connection of its own, kept between requests.
  std::unique_ptr<net::BlockingHttpClient> connect() const;
  // A request of the renter's, who has a million of test credit.
  net::ClientRequest as_renter(std::string method, std::string target, std::string body) const;
  server::Server& server() { return *server_; }

 private:
  net::ClientRequest with_key(const std::string& key, std::string method, std::string target,
                              std::string body) const;
  void open_renter();
  void add_nodes(const Settings& settings);

  Folder folder_;
  std::unique_ptr<Clock> clock_ = system_clock();
  std::unique_ptr<Random> random_ = system_random();
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<server::Server> server_;
  bool tls_;
  std::string renter_;
};

}  // namespace fallow::bench
