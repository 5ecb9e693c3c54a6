#include "cli/order_tasks.h"

#include "cli/command.h"

namespace fallow::cli {

client::ApiResult<void> fetch_all_tasks(client::Api& api, v1::OrderView& order) {
  if (static_cast<std::uint32_t>(order.tasks_size()) >= order.tasks_total()) return {};
  order.clear_tasks();
  v1::ListTasksRequest request;
  request.set_order(order.id());
  request.set_page_size(kPageMax);
  do {
    auto page = api.call<v1::ListTasksResponse>("Orders.ListTasks", request);
    if (!page) return tl::unexpected(page.error());
    for (v1::TaskView& task : *page->mutable_tasks()) order.add_tasks()->Swap(&task);
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return {};
}

}  // namespace fallow::cli
