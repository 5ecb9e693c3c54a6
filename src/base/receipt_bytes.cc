#include "base/receipt_bytes.h"

namespace fallow {

std::string receipt_bytes(std::string_view body) {
  return std::string("fallow receipt v1").append(body);
}

std::string meter_leaf(std::string_view meter_bytes, std::string_view signature) {
  return std::string(meter_bytes).append(signature);
}

}  // namespace fallow
