// Which sanitizers this program was compiled with, for the few places where they change what can be
// done: their threads and their shadow of all memory count as the program's own.
#pragma once

namespace fallow {

#if defined(__has_feature)
inline constexpr bool kHasThreadSanitizer = __has_feature(thread_sanitizer);
inline constexpr bool kHasAddressSanitizer = __has_feature(address_sanitizer);
#else
inline constexpr bool kHasThreadSanitizer = false;
inline constexpr bool kHasAddressSanitizer = false;
#endif
inline constexpr bool kHasSanitizer = kHasThreadSanitizer || kHasAddressSanitizer;
// Random tests run so many times shorter under one: the other builds run them whole, and what it
// finds it finds in any part of them.
inline constexpr unsigned kShorter = kHasSanitizer ? 4 : 1;

}  // namespace fallow
