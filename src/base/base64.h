// base64url without padding (RFC 4648, section 5): for tokens and ids that travel in URLs and
// shells.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace fallow {

std::string to_base64url(std::string_view bytes);
// kInvalid for padding, blanks, foreign letters, an impossible length, or unused bits that are set:
// one text for each value, so that tokens compare as texts.
Result<std::string> from_base64url(std::string_view text);

}  // namespace fallow
