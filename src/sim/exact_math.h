// exp, log and even random numbers whose every bit is the same on every machine and in every build.
//
// The C library's may differ between processors. These use +, -, * and / only, which IEEE 754
// fixes; the sim module is compiled without contraction to fused multiply-add. Errors are below
// 1e-14 relative (exp) and absolute near 1 (log).
#pragma once

#include <cstdint>

namespace fallow::sim {

// e^x for finite x. Below -700 it is 0; x above 700 is taken as 700.
double exact_exp(double x);
// The natural logarithm of a normal, positive x.
double exact_log(double x);
// A number between 0 and 1, neither of them, from 64 random bits.
inline double even_uniform(std::uint64_t bits) {
  return (static_cast<double>(bits >> 11U) + 0.5) * 0x1p-53;
}

}  // namespace fallow::sim
