// What a library of others keeps until the program ends is no leak of ours: PoCL, an OpenCL driver,
// and the compiler in it, whenever they compile a kernel that they have not kept from an earlier
// run. LeakSanitizer asks for this.
// https://github.com/google/sanitizers/wiki/AddressSanitizerLeakSanitizer#suppressions
extern "C" const char* __lsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier)
const char* __lsan_default_suppressions() { return "leak:libpocl\nleak:libLLVM\n"; }
