#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace fallow {

void check_failed(const char* condition, const char* file, int line, const std::string& message) {
  std::fprintf(stderr, "CHECK failed: %s at %s:%d: %s\n", condition, file, line, message.c_str());
  std::fflush(stderr);
  std::abort();
}

}  // namespace fallow
