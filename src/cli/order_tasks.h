// All tasks of an order.
#pragma once

#include "client/api.h"
#include "fallow/v1/views.pb.h"

namespace fallow::cli {

// Has the order list all of its tasks, where its view had only the first ones.
client::ApiResult<void> fetch_all_tasks(client::Api& api, v1::OrderView& order);

}  // namespace fallow::cli
