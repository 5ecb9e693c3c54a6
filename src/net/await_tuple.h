// co_await that gives the error beside the value instead of throwing it.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace fallow::net {

inline constexpr auto kAwaitTuple = boost::asio::as_tuple(boost::asio::use_awaitable);

}  // namespace fallow::net
