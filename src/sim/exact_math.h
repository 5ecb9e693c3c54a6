// exp and log whose every bit is the same on every machine and in every build.
//
// The C library's may differ between processors. These use +, -, * and / only, which IEEE 754
// fixes; the sim module is compiled without contraction to fused multiply-add. Errors are below
// 1e-14 relative (exp) and absolute near 1 (log).
#pragma once

namespace fallow::sim {

// e^x for finite x. Below -700 it is 0; x above 700 is taken as 700.
double exact_exp(double x);
// The natural logarithm of a normal, positive x.
double exact_log(double x);

}  // namespace fallow::sim
