// Lets a C++ compiler read kernel.cl: the few OpenCL C words that it uses.
//
// Include once, from kernel_host.cc, which must be compiled with -ffp-contract=off.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "pathtrace/kernel_types.h"

#define __kernel static
#define __global
#define V3(x, y, z) (float3{(x), (y), (z)})
#define PT_OUT(type) type*

namespace fallow::pathtrace {

using uint = std::uint32_t;

struct float3 {
  float x, y, z;
};
inline float3 operator+(float3 a, float3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline float3 operator-(float3 a, float3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline float3 operator*(float3 a, float3 b) { return {a.x * b.x, a.y * b.y, a.z * b.z}; }
inline float3 operator*(float3 a, float b) { return {a.x * b, a.y * b, a.z * b}; }

inline uint as_uint(float x) { return std::bit_cast<uint>(x); }
inline float as_float(uint x) { return std::bit_cast<float>(x); }

// The work-item that runs on this thread.
inline thread_local std::size_t current_item = 0;
inline std::size_t get_global_id(uint) { return current_item; }

}  // namespace fallow::pathtrace
