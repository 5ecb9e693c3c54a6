// A network of one hidden layer that learns which points of a square lie in a ring.
//
// The same to the bit on every device: integers alone. Points, activations and errors have 16 bits
// behind the point, weights 24. Sums have 64 bits in all; the bounds below keep them under 2^58 with
// up to 64 units and 64 samples. OpenCL shifts negative numbers arithmetically.
//
// Unit j's weights are four in a row: of x, of y, of one, and of the unit in the output; behind the
// last unit's stands the output's own.

#define ONE (1 << 16)
#define WEIGHT_BITS 24
#define SLOPE_BITS 32  // an error times an activation
#define WEIGHT_MAX (1L << 30)
#define ACTIVATION_MAX (32L * ONE)
#define ERROR_MAX (4L * ONE)
// An activation below zero counts for a 32nd.
#define LEAK_BITS 5

uint mixed(uint x) {
  x ^= x >> 16;
  x *= 0x7feb352dU;
  x ^= x >> 15;
  x *= 0x846ca68bU;
  x ^= x >> 16;
  return x;
}

// The step's sample, from -1 to 1: axis 0 is x, 1 is y.
int point(uint seed, uint step, uint sample, uint axis) {
  const uint a = mixed(mixed(seed + mixed(step)) + 2 * sample + axis);
  return (int)(a & 0x1ffffU) - ONE;
}

// Within radii of 0.4 and 0.8.
int label(int x, int y) {
  const long square = ((long)x * x + (long)y * y) >> 16;
  return square > 10486 && square < 41943 ? ONE : -ONE;
}

// 2^-bits of it, rounded to nearest.
long shifted(long value, int bits) { return (value + (1L << (bits - 1))) >> bits; }

// One work-item a sample: its activations, and how far the output is off.
__kernel void forward(__global const int* weights, __global int* hidden, __global int* errors,
                      uint units, uint seed, uint step, uint samples) {
  const uint sample = (uint)get_global_id(0);
  if (sample >= samples) return;
  const int x = point(seed, step, sample, 0);
  const int y = point(seed, step, sample, 1);
  long out = (long)weights[4 * units] * ONE;
  for (uint j = 0; j < units; ++j) {
    const long sum = (long)weights[4 * j] * x + (long)weights[4 * j + 1] * y +
                     (long)weights[4 * j + 2] * ONE;
    long active = shifted(sum, WEIGHT_BITS);
    if (active < 0) active >>= LEAK_BITS;
    active = clamp(active, -ACTIVATION_MAX, ACTIVATION_MAX);
    hidden[sample * units + j] = (int)active;
    out += weights[4 * j + 3] * active;
  }
  errors[sample] = (int)clamp(shifted(out, WEIGHT_BITS) - label(x, y), -ERROR_MAX, ERROR_MAX);
}

// One work-item a unit, and one more for the output's own weight. The weights go against the slope,
// by its sum over the samples times 2^-rate_bits.
__kernel void update(__global int* weights, __global const int* hidden, __global const int* errors,
                     uint units, uint seed, uint step, uint samples, uint rate_bits) {
  const uint j = (uint)get_global_id(0);
  if (j > units) return;
  const bool is_own = j == units;
  long slope[4] = {0, 0, 0, 0};
  for (uint sample = 0; sample < samples; ++sample) {
    const long error = errors[sample];
    if (is_own) {
      slope[0] += error * ONE;
      continue;
    }
    const long active = hidden[sample * units + j];
    long back = shifted(error * weights[4 * j + 3], WEIGHT_BITS);
    if (active < 0) back >>= LEAK_BITS;
    slope[0] += back * point(seed, step, sample, 0);
    slope[1] += back * point(seed, step, sample, 1);
    slope[2] += back * ONE;
    slope[3] += error * active;
  }
  for (uint i = 0; i < (is_own ? 1U : 4U); ++i) {
    const long step_by = shifted(slope[i], (int)(SLOPE_BITS - WEIGHT_BITS + rate_bits));
    weights[4 * j + i] = (int)clamp(weights[4 * j + i] - step_by, -WEIGHT_MAX, WEIGHT_MAX);
  }
}
