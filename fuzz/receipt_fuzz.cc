// Receipts from strangers: parsing and checking any bytes neither crashes nor accepts.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "client/receipt.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  if (const auto receipt = fallow::client::parse_receipt(bytes)) {
    // Nobody signs by chance: an accepted receipt would be a forged one.
    if (fallow::client::verify_receipt(*receipt, nullptr)) std::abort();
  }
  fallow::v1::ReceiptBody body;
  if (body.ParseFromString(bytes)) (void)fallow::client::describe_receipt(body);
  return 0;
}
