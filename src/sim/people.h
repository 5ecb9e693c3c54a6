// People: who uses the market. Renters order, cancel and run out of money; providers change
// prices, withdraw offers and take nodes away; owners come home; the operator deposits and pays
// out.
//
// They speak to the server over a network that loses and doubles requests, and ask again with the
// same idempotency key until they are answered. Owner: run_chaos; it stays where it is. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sim/sim_agent.h"
#include "sim/sim_server.h"
#include "sim/watch.h"
#include "sim/world.h"

namespace fallow::sim {

class People {
 public:
  People(World& world, Watch& watch, SimServer& server,
         std::vector<std::unique_ptr<SimAgent>>& agents);
  People(const People&) = delete;
  People& operator=(const People&) = delete;

  // Accounts, nodes, offers; then everybody goes on as they like.
  void begin();
  // Faults have stopped: nobody asks for anything new, owners leave, everything is offered again,
  // cheaply, so that whatever waits can be served.
  void settle();
  // The operator lays down for how long a node may be silent; leases that run keep what they have.
  void change_silence_rule();
  // No request waits for its answer, every machine is back.
  bool settled() const;
  std::uint64_t requests() const { return requests_; }
  std::uint64_t orders() const { return orders_; }

 private:
  struct Call {
    v1::Command command;
    std::function<void(std::uint64_t entity, bool refused)> done;
    bool answered = false;
  };
  struct Renter {
    std::uint64_t account = 0;
  };
  struct Provider {
    std::uint64_t account = 0;
    bool leaving = false;  // its node was removed, or it is being joined
  };
  using Done = std::function<void(std::uint64_t entity, bool refused)>;

  // Asks until it is answered; then `done` with the entity that was made.
  void call(v1::Command command, Done done);
  void send(const std::shared_ptr<Call>& call);
  void hear(const std::shared_ptr<Call>& call, const Result<engine::Applied>& applied);

  void begin_renter(std::size_t renter);
  void renter_loop(std::size_t renter);
  void order(std::size_t renter);
  void submit(std::size_t renter, v1::SubmitOrder order);
  void stop_waiting(std::size_t renter, std::uint64_t order);
  void extend(std::size_t renter, std::uint64_t order);
  void change_mind(std::size_t renter, std::uint64_t order);
  void deposit(std::size_t renter, std::int64_t micros);

  void begin_provider(std::size_t agent);
  void join(std::size_t agent);
  void provider_loop(std::size_t agent);
  void set_offer(std::size_t agent, std::int64_t device_hour_micros);
  void owner_loop(std::size_t agent);
  void operator_loop();

  World& world_;
  Watch& watch_;
  SimServer& server_;
  std::vector<std::unique_ptr<SimAgent>>& agents_;
  std::vector<Renter> renters_;
  std::vector<Provider> providers_;  // one for every agent
  std::uint64_t requests_ = 0;
  std::uint64_t open_requests_ = 0;
  std::uint64_t orders_ = 0;
  std::uint64_t deposits_ = 0;
  std::uint64_t tokens_ = 0;
};

}  // namespace fallow::sim
