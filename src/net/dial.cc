#include "net/dial.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "net/await_tuple.h"
#include "net/timer.h"

namespace fallow::net {
namespace {

using boost::asio::ip::tcp;

Duration left_until(Deadline deadline) {
  if (deadline == kNoDeadline) return kForever;
  return Duration(std::chrono::duration_cast<std::chrono::microseconds>(
                      deadline - std::chrono::steady_clock::now())
                      .count());
}

Task<Result<std::vector<tcp::endpoint>>> resolve(const Url& url, const NameLookup& lookup,
                                                 Deadline deadline) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(url.host, error);
  std::vector<tcp::endpoint> endpoints;
  if (!error) {
    endpoints.emplace_back(address, url.port);
    co_return endpoints;
  }
  if (lookup) {
    std::string host = url.host;
    const auto addresses = co_await lookup(std::move(host), left_until(deadline));
    if (!addresses) {
      co_return fail(addresses.error().code, "cannot reach {}: {}", url.authority(),
                     addresses.error().message);
    }
    for (const std::string& text : *addresses) {
      const auto found = boost::asio::ip::make_address(text, error);
      if (!error) endpoints.emplace_back(found, url.port);
    }
    co_return endpoints;
  }
  const Executor executor = co_await boost::asio::this_coro::executor;
  const auto resolver = std::make_shared<tcp::resolver>(executor);
  Timer timer(executor);
  timer.start(left_until(deadline), [resolver] { resolver->cancel(); });
  const auto [failed, found] =
      co_await resolver->async_resolve(url.host, std::to_string(url.port), kAwaitTuple);
  if (failed) {
    co_return fail(ErrorCode::kUnreachable, "cannot reach {}: the name {} is not known ({})",
                   url.authority(), url.host, failed.message());
  }
  for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  co_return endpoints;
}

}  // namespace

Task<Result<std::shared_ptr<Stream>>> dial(Url url, std::shared_ptr<const TlsClient> tls,
                                           Duration timeout, AddressRule allowed,
                                           NameLookup lookup) {
  if (url.is_tls && !tls) {
    co_return fail(ErrorCode::kInvalid,
                   "{} wants TLS: say which certificate to trust (a pinned one or the system's)",
                   url.authority());
  }
  const Deadline deadline = deadline_after(timeout);
  FALLOW_CO_ASSIGN(const std::vector<tcp::endpoint> endpoints,
                   co_await resolve(url, lookup, deadline));
  Error last{ErrorCode::kUnreachable,
             fmt::format("cannot reach {}: it has no address", url.authority())};
  bool refused = false;
  bool tried = false;
  for (const tcp::endpoint& endpoint : endpoints) {
    if (allowed && !allowed(endpoint.address().to_string())) {
      refused = true;
      continue;
    }
    tried = true;
    std::string peer = url.authority();
    auto connected = co_await Stream::connect(endpoint.data(), endpoint.size(), std::move(peer),
                                              left_until(deadline));
    if (!connected) {
      last = std::move(connected).error();
      continue;
    }
    std::shared_ptr<Stream> stream = std::move(*connected);
    if (!url.is_tls) co_return stream;
    const Status secured = co_await stream->handshake(*tls, url.host, left_until(deadline));
    if (secured) co_return stream;
    // Nothing was sent yet, so only a refused certificate is more than "not reachable".
    last = secured.error();
    if (last.code != ErrorCode::kDenied) last.code = ErrorCode::kUnreachable;
    break;
  }
  if (refused && !tried) {
    co_return fail(ErrorCode::kDenied, "{} is at no address that may be reached from here",
                   url.authority());
  }
  co_return tl::unexpected(std::move(last));
}

}  // namespace fallow::net
