// docs/openapi.json: OpenAPI 3.1, from the same descriptors as the router, and the artifact routes.
#pragma once

#include <string>

namespace fallow::server {

// The same text every time, indented, with a final newline.
std::string openapi_json();

}  // namespace fallow::server
