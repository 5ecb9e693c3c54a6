// What can be followed: the market's events, and the output of orders and leases.
//
// Handlers of the stream rpcs. Each checks the request and gives out a source that the API pumps;
// the call outlives the source.
#pragma once

#include "fallow/v1/services.pb.h"
#include "server/handlers.h"

namespace fallow::server {

// Begins behind Last-Event-ID, else behind `after`, else (0) with what happens from now on.
OpenStream follow_events(Call& call, const v1::FollowEventsRequest& request, net::Notifier wake);

// The output of each task's latest attempt, from its beginning or from Last-Event-ID. Ends at the
// present end, or with follow=true when the order or lease has ended and all output is in.
OpenStream follow_order_logs(Call& call, const v1::FollowOrderLogsRequest& request,
                             net::Notifier wake);
OpenStream follow_lease_logs(Call& call, const v1::FollowLeaseLogsRequest& request,
                             net::Notifier wake);

}  // namespace fallow::server
