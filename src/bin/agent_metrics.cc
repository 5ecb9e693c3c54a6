#include "bin/agent_metrics.h"

#include <utility>

#include "base/number.h"

namespace fallow::bin {
namespace {

constexpr std::size_t kReadersMax = 8;

net::Task<void> answer_reader(net::Exchange& exchange, const std::function<std::string()>& text) {
  net::Response response;
  if (exchange.request().parts.path != "/metrics" || exchange.request().method != "GET") {
    const Status told = co_await exchange.respond_problem(404, "there is only GET /metrics here");
    (void)told;
    co_return;
  }
  response.status = 200;
  response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  // This thread has nothing else to do.
  response.body = text();
  const Status told = co_await exchange.respond(std::move(response));
  (void)told;
}

}  // namespace

Result<std::unique_ptr<AgentMetrics>> AgentMetrics::start(const std::string& port,
                                                          std::function<std::string()> text) {
  const auto number = parse_number<std::uint16_t>(port);
  if (!number) {
    return fail(ErrorCode::kInvalid, "--metrics-port is a number up to 65535, not \"{}\"", port);
  }
  std::unique_ptr<AgentMetrics> metrics(new AgentMetrics());
  net::HttpServerOptions options;
  options.port = *number;
  options.connections_max = kReadersMax;
  FALLOW_ASSIGN(metrics->server_,
                net::HttpServer::start(metrics->pool_, std::move(options),
                                       [text = std::move(text)](net::Exchange& exchange) {
                                         return answer_reader(exchange, text);
                                       }));
  return metrics;
}

}  // namespace fallow::bin
