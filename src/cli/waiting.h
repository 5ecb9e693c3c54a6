// What a job's waiting tasks wait for, in words.
#pragma once

#include <string>

#include "fallow/v1/views.pb.h"

namespace fallow::cli {

// A sentence that says what it waits for and what can be done; empty when no task waits.
std::string waiting_sentence(const v1::OrderView& order);
// The same in a word or two, for a table.
std::string waiting_words(const v1::OrderView& order);

}  // namespace fallow::cli
