// Which quote a job takes.
#pragma once

#include "cli/context.h"
#include "cli/job_file.h"

namespace fallow::cli {

// Of alternatives that can start the cheapest in all; else of those that wait. Says on stderr which
// was taken. The error: nobody offers any of them, or something is wrong with one.
client::ApiResult<v1::QuoteView> best_quote(const Context& context, client::Api& api,
                                            const Job& job);

}  // namespace fallow::cli
