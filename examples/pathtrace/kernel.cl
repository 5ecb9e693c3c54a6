// The path tracer: one source for every OpenCL device, and, through kernel_shim.h, for C++.
//
// Same bits everywhere. The rules that make it so:
//   - arithmetic on floats is + - * only: the standard rounds these exactly, to nearest even;
//   - no contraction: a*b+c is two roundings (the pragma below, -ffp-contract=off in C++);
//   - quotients, roots, sine and cosine are built here from + - * and integer operations;
//   - no built-in whose precision is the device's own (dot, normalize, mix, min of signed zeros);
//   - decisions compare with constants far above the denormal range, so that it does not matter
//     whether a device flushes denormals; no NaN or infinity ever arises;
//   - randomness is a hash of (seed, frame, pixel, sample): how a frame is cut into tiles and
//     launches does not matter; one work-item adds a pixel's samples in ascending order.
#ifdef __OPENCL_VERSION__
#pragma OPENCL FP_CONTRACT OFF
#define V3(x, y, z) ((float3)((x), (y), (z)))
#define PT_OUT(type) type*
#endif

#define PT_PI 3.14159265f
#define PT_INV_PI 0.318309886f
#define PT_FAR 1.0e30f
#define PT_TINY 1.0e-12f
#define PT_DEPTH_MAX 9u
#define PT_MIRROR 0.03f     // smoother than this is perfectly smooth
#define PT_SAMPLE_MAX 6.0f   // brightest a single sample may be: fewer fireflies

// ---- arithmetic

static float pt_min(float a, float b) { return a < b ? a : b; }
static float pt_max(float a, float b) { return a > b ? a : b; }
static float pt_abs(float a) { return as_float(as_uint(a) & 0x7fffffffu); }

// 1/x within 2 ulp for 1e-30 < |x| < 1e30: a guess from the exponent, then Newton's steps.
static float pt_recip(float x) {
  const uint sign = as_uint(x) & 0x80000000u;
  const float a = pt_abs(x);
  float y = as_float(0x7ef311c7u - as_uint(a));
  y = y * (2.0f - a * y);
  y = y * (2.0f - a * y);
  y = y * (2.0f - a * y);
  return as_float(as_uint(y) | sign);
}

// The reciprocal of a direction's part: a zero of either sign counts as +1e-9.
static float pt_recip_direction(float x) {
  return pt_recip(x >= 0.0f ? pt_max(x, 1.0e-9f) : pt_min(x, -1.0e-9f));
}

// 1/sqrt(x) for 1e-30 < x < 1e30.
static float pt_rsqrt(float x) {
  float y = as_float(0x5f3759dfu - (as_uint(x) >> 1));
  const float h = 0.5f * x;
  y = y * (1.5f - h * y * y);
  y = y * (1.5f - h * y * y);
  y = y * (1.5f - h * y * y);
  return y;
}

static float pt_sqrt(float x) { return x > 1.0e-24f ? x * pt_rsqrt(x) : 0.0f; }

static float pt_dot(float3 a, float3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
static float3 pt_cross(float3 a, float3 b) {
  return V3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}
static float3 pt_unit(float3 a) { return a * pt_rsqrt(pt_max(pt_dot(a, a), 1.0e-28f)); }
static float3 pt_load(__global const float* p) { return V3(p[0], p[1], p[2]); }
static float pt_largest(float3 a) { return pt_max(a.x, pt_max(a.y, a.z)); }

// ---- randomness: Sobol points in pairs, shuffled and Owen-scrambled by hashes (integers only)

static uint pt_hash(uint x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  x ^= x >> 16;
  return x;
}

static uint pt_reverse(uint x) {
  x = (x >> 16) | (x << 16);
  x = ((x & 0x00ff00ffu) << 8) | ((x >> 8) & 0x00ff00ffu);
  x = ((x & 0x0f0f0f0fu) << 4) | ((x >> 4) & 0x0f0f0f0fu);
  x = ((x & 0x33333333u) << 2) | ((x >> 2) & 0x33333333u);
  x = ((x & 0x55555555u) << 1) | ((x >> 1) & 0x55555555u);
  return x;
}

// Permutes so that each bit depends on the bits below it only: an Owen scramble of reversed bits.
static uint pt_permute(uint x, uint seed) {
  x += seed;
  x ^= x * 0x6c50b47cu;
  x ^= x * 0xb82f1e52u;
  x ^= x * 0xc7afe638u;
  x ^= x * 0x8d22f6e6u;
  return x;
}

// Sobol's second dimension, bits in order from the most significant: Pascal's triangle modulo 2.
static uint pt_sobol1(uint index) {
  uint x = pt_reverse(index);
  x ^= x >> 16;
  x ^= (x & 0xff00ff00u) >> 8;
  x ^= (x & 0xf0f0f0f0u) >> 4;
  x ^= (x & 0xccccccccu) >> 2;
  x ^= (x & 0xaaaaaaaau) >> 1;
  return x;
}

// 24 bits: exact in a float, below 1.
static float pt_fraction(uint x) { return (float)(x >> 8) * 5.96046448e-8f; }

typedef struct PtPair {
  float u, v;
} PtPair;

// Pair number `dimension` of sample `index` of the pixel whose hash is `pixel`.
static PtPair pt_sample(uint pixel, uint index, uint dimension) {
  const uint seed = pt_hash(pixel + dimension * 0x9e3779b9u);
  const uint shuffled = pt_reverse(pt_permute(pt_reverse(index), seed));
  PtPair pair;
  pair.u = pt_fraction(pt_reverse(pt_permute(shuffled, seed * 0x85ebca6bu + 1u)));
  const uint second = pt_reverse(pt_sobol1(shuffled));
  pair.v = pt_fraction(pt_reverse(pt_permute(second, seed * 0xc2b2ae35u + 2u)));
  return pair;
}

// The unit square onto the unit disc, keeping areas (z is 0). Sine and cosine of at most a quarter
// of pi by their series: six correct digits.
static float3 pt_disc(PtPair s) {
  const float a = 2.0f * s.u - 1.0f;
  const float b = 2.0f * s.v - 1.0f;
  const int wide = pt_abs(a) > pt_abs(b);
  const float r = wide ? a : b;
  if (pt_abs(r) < 1.0e-9f) return V3(0.0f, 0.0f, 0.0f);
  const float x = 0.785398163f * ((wide ? b : a) * pt_recip(r));
  const float q = x * x;
  const float sine =
      x * (1.0f - q * (0.166666667f - q * (0.00833333333f - q * 0.000198412698f)));
  const float cosine =
      1.0f - q * (0.5f - q * (0.0416666667f - q * (0.00138888889f - q * 0.0000248015873f)));
  return wide ? V3(r * cosine, r * sine, 0.0f) : V3(r * sine, r * cosine, 0.0f);
}

// From a frame whose z axis is the unit vector n to the world.
static float3 pt_to_world(float3 inner, float3 n) {
  const float sign = n.z >= 0.0f ? 1.0f : -1.0f;
  const float a = pt_recip(sign + n.z) * -1.0f;
  const float b = n.x * n.y * a;
  const float3 t = V3(1.0f + sign * n.x * n.x * a, sign * b, -sign * n.x);
  const float3 s = V3(b, sign + n.y * n.y * a, -n.y);
  return t * inner.x + s * inner.y + n * inner.z;
}

// ---- rays against the scene

typedef struct PtHit {
  float t, u, v;
  uint triangle;
} PtHit;

// Where a ray enters the node's box, or PT_FAR when it misses it before t_max.
static float pt_enter(__global const PtNode* node, float3 origin, float3 inverse, float t_max) {
  const float ax = (node->lo[0] - origin.x) * inverse.x;
  const float bx = (node->hi[0] - origin.x) * inverse.x;
  const float ay = (node->lo[1] - origin.y) * inverse.y;
  const float by = (node->hi[1] - origin.y) * inverse.y;
  const float az = (node->lo[2] - origin.z) * inverse.z;
  const float bz = (node->hi[2] - origin.z) * inverse.z;
  const float t_in = pt_max(pt_max(pt_min(ax, bx), pt_min(ay, by)), pt_max(pt_min(az, bz), 0.0f));
  const float t_out = pt_min(pt_min(pt_max(ax, bx), pt_max(ay, by)), pt_max(az, bz));
  // The widening makes up for the roundings above: no ray slips between two boxes that touch.
  return t_in <= t_out * 1.000001f + 1.0e-6f && t_in < t_max ? t_in : PT_FAR;
}

// The nearest triangle before hit->t, or, with `any`, the first found that is not glass.
// Answers 1 and fills `hit`, or 0.
static int pt_trace(__global const PtNode* nodes, __global const PtTriangle* triangles,
                    __global const PtMaterial* materials, float3 origin, float3 direction, int any,
                    PT_OUT(PtHit) hit) {
  const float3 inverse = V3(pt_recip_direction(direction.x), pt_recip_direction(direction.y),
                            pt_recip_direction(direction.z));
  uint stack[PT_STACK_MAX];
  float entries[PT_STACK_MAX];
  uint top = 0u;
  uint index = 0u;
  int found = 0;
  for (;;) {
    __global const PtNode* node = nodes + index;
    if (node->count == 0u) {
      const float left = pt_enter(node + (node->first - index), origin, inverse, hit->t);
      const float right = pt_enter(node + (node->first - index) + 1, origin, inverse, hit->t);
      if (left < PT_FAR && right < PT_FAR) {
        const uint far_one = left <= right ? 1u : 0u;
        stack[top] = node->first + far_one;
        entries[top] = pt_max(left, right);
        ++top;
        index = node->first + 1u - far_one;
        continue;
      }
      if (left < PT_FAR || right < PT_FAR) {
        index = node->first + (left < PT_FAR ? 0u : 1u);
        continue;
      }
    } else {
      for (uint i = node->first; i < node->first + node->count; ++i) {
        __global const PtTriangle* triangle = triangles + i;
        const float3 e1 = pt_load(triangle->edge1);
        const float3 e2 = pt_load(triangle->edge2);
        const float3 p = pt_cross(direction, e2);
        const float determinant = pt_dot(e1, p);
        if (pt_abs(determinant) < 1.0e-18f) continue;
        const float scale = pt_recip(determinant);
        const float3 s = origin - pt_load(triangle->corner);
        const float u = pt_dot(s, p) * scale;
        if (u < -PT_TINY || u > 1.0f) continue;
        const float3 q = pt_cross(s, e1);
        const float v = pt_dot(direction, q) * scale;
        if (v < -PT_TINY || u + v > 1.0f) continue;
        const float t = pt_dot(e2, q) * scale;
        if (t < 1.0e-6f || t >= hit->t) continue;
        if (any) {
          if (materials[triangle->material].kind == PT_GLASS) continue;
          return 1;
        }
        hit->t = t;
        hit->u = u;
        hit->v = v;
        hit->triangle = i;
        found = 1;
      }
    }
    for (;;) {
      if (top == 0u) return found;
      --top;
      if (entries[top] < hit->t) break;
    }
    index = stack[top];
  }
}

// ---- light

static float3 pt_sky(__global const PtView* view, float3 d, int with_sun) {
  if (view->sky == 0u) return V3(0.0f, 0.0f, 0.0f);
  if (d.y < 0.0f) {
    const float g = pt_min(1.0f, d.y * -12.0f);
    return pt_load(view->horizon) * (1.0f - g) + pt_load(view->ground) * g;
  }
  const float low = 1.0f - d.y;
  const float low2 = low * low;
  const float h = low2 * low2;
  float3 light = pt_load(view->zenith) * (1.0f - h) + pt_load(view->horizon) * h;
  const float3 sun = pt_load(view->sun);
  const float c = pt_max(pt_dot(d, sun), 0.0f);
  const float c2 = c * c;
  const float c4 = c2 * c2;
  const float c8 = c4 * c4;
  const float c32 = c8 * c8 * (c8 * c8);
  light = light + pt_load(view->glow) * (c4 * 0.25f + c32 * 0.75f);
  if (with_sun && c > 1.0e-3f) {
    const float radius2 = view->sun_radius * view->sun_radius;
    if (1.0f - c2 < radius2 * c2) {
      light = light + pt_load(view->sun_irradiance) * pt_recip(PT_PI * radius2);
    }
  }
  return light;
}

// Light that would arrive straight from one light, chosen with `share` for the lamps and the rest for
// the sun, at a point whose surface faces `geometric`; black in its shadow. Answers where it is.
static float3 pt_direct(__global const PtNode* nodes, __global const PtTriangle* triangles,
                        __global const PtMaterial* materials, __global const PtLight* lights,
                        __global const PtView* view, float3 point, float3 geometric, float share,
                        float choice, PtPair s, PT_OUT(float3) to) {
  const float3 none = V3(0.0f, 0.0f, 0.0f);
  float3 light;
  PtHit hit;
  hit.u = 0.0f;
  hit.v = 0.0f;
  hit.triangle = 0u;
  if (view->light_count > 0u && choice < share) {
    const float target = choice * pt_recip(share);
    uint low = 0u;
    uint high = view->light_count - 1u;
    while (low < high) {
      const uint middle = (low + high) >> 1;
      if (lights[middle].cumulative > target) {
        high = middle;
      } else {
        low = middle + 1u;
      }
    }
    __global const PtLight* chosen = lights + low;
    __global const PtTriangle* triangle = triangles + chosen->triangle;
    const int fold = s.u + s.v > 1.0f;
    const float a = fold ? 1.0f - s.u : s.u;
    const float b = fold ? 1.0f - s.v : s.v;
    const float3 e1 = pt_load(triangle->edge1);
    const float3 e2 = pt_load(triangle->edge2);
    const float3 path = pt_load(triangle->corner) + e1 * a + e2 * b - point;
    const float squared = pt_max(pt_dot(path, path), 1.0e-6f);
    const float inverse = pt_rsqrt(squared);
    *to = path * inverse;
    const float facing = pt_abs(pt_dot(pt_unit(pt_cross(e1, e2)), *to));
    light = pt_load(materials[triangle->material].emission) *
            (facing * chosen->area * inverse * inverse * pt_recip(chosen->probability * share));
    hit.t = squared * inverse * 0.9995f;
  } else {
    if (view->sky == 0u) return none;
    const float3 spread = pt_disc(s) * view->sun_radius;
    *to = pt_unit(pt_to_world(V3(spread.x, spread.y, 1.0f), pt_load(view->sun)));
    light = pt_load(view->sun_irradiance) * pt_recip(1.0f - share);
    hit.t = PT_FAR;
  }
  if (pt_dot(geometric, *to) < 1.0e-5f) return none;
  return pt_trace(nodes, triangles, materials, point, *to, 1, &hit) ? none : light;
}

// A microfacet normal that is visible from `out` (both in the local frame, z up).
static float3 pt_facet(float3 out, float alpha, PtPair s) {
  const float3 stretched = pt_unit(V3(alpha * out.x, alpha * out.y, out.z));
  const float flat2 = stretched.x * stretched.x + stretched.y * stretched.y;
  const float3 t1 = flat2 > 1.0e-10f
                        ? V3(stretched.y * -1.0f, stretched.x, 0.0f) * pt_rsqrt(flat2)
                        : V3(1.0f, 0.0f, 0.0f);
  const float3 t2 = pt_cross(stretched, t1);
  const float3 disc = pt_disc(s);
  const float shift = 0.5f * (1.0f + stretched.z);
  const float y =
      (1.0f - shift) * pt_sqrt(pt_max(0.0f, 1.0f - disc.x * disc.x)) + shift * disc.y;
  const float z = pt_sqrt(pt_max(0.0f, 1.0f - disc.x * disc.x - y * y));
  const float3 n = t1 * disc.x + t2 * y + stretched * z;
  return pt_unit(V3(alpha * n.x, alpha * n.y, pt_max(n.z, 1.0e-6f)));
}

static float pt_power5(float x) {
  const float x2 = x * x;
  return x2 * x2 * x;
}

// Glossy reflection off the unit normal. Answers 0 when the light goes into the surface.
static int pt_gloss(float3 f0, float alpha, float3 direction, float3 normal, PtPair s,
                    PT_OUT(float3) reflected, PT_OUT(float3) weight) {
  if (alpha < PT_MIRROR) {
    const float c = pt_max(0.0f, pt_dot(direction, normal) * -1.0f);
    *reflected = pt_unit(direction + normal * (2.0f * c));
    *weight = f0 + (V3(1.0f, 1.0f, 1.0f) - f0) * pt_power5(1.0f - pt_min(c, 1.0f));
    return 1;
  }
  // The inverse of pt_to_world: products with its three axes.
  const float3 t = pt_to_world(V3(1.0f, 0.0f, 0.0f), normal);
  const float3 b = pt_to_world(V3(0.0f, 1.0f, 0.0f), normal);
  const float3 back = direction * -1.0f;
  const float3 out = V3(pt_dot(back, t), pt_dot(back, b), pt_max(pt_dot(back, normal), 1.0e-4f));
  const float3 facet = pt_facet(out, alpha, s);
  const float c = pt_min(1.0f, pt_max(0.0f, pt_dot(out, facet)));
  const float3 in = facet * (2.0f * c) - out;
  if (in.z < 1.0e-4f) return 0;
  const float a2 = alpha * alpha;
  const float masking =
      2.0f * in.z * pt_recip(in.z + pt_sqrt(a2 + (1.0f - a2) * (in.z * in.z)));
  *reflected = pt_unit(t * in.x + b * in.y + normal * in.z);
  *weight = (f0 + (V3(1.0f, 1.0f, 1.0f) - f0) * pt_power5(1.0f - c)) * masking;
  return 1;
}

// How much of the light from `to` the gloss reflects against `direction`, with the cosine.
static float3 pt_shine(float3 f0, float alpha, float3 direction, float3 normal, float3 to) {
  const float nv = pt_max(pt_dot(direction, normal) * -1.0f, 1.0e-4f);
  const float nl = pt_dot(to, normal);
  if (nl < 1.0e-4f) return V3(0.0f, 0.0f, 0.0f);
  const float3 facet = pt_unit(to - direction);
  const float nh = pt_min(1.0f, pt_max(0.0f, pt_dot(facet, normal)));
  const float c = pt_min(1.0f, pt_max(0.0f, pt_dot(facet, to)));
  const float a2 = alpha * alpha;
  const float spread = nh * nh * (a2 - 1.0f) + 1.0f;
  const float peak = a2 * pt_recip(PT_PI * spread * spread);
  const float mask_v = pt_recip(nv + pt_sqrt(a2 + (1.0f - a2) * (nv * nv)));
  const float mask_l = 2.0f * nl * pt_recip(nl + pt_sqrt(a2 + (1.0f - a2) * (nl * nl)));
  return (f0 + (V3(1.0f, 1.0f, 1.0f) - f0) * pt_power5(1.0f - c)) * (peak * mask_v * mask_l * 0.5f);
}

// Through or off smooth glass; `into` says whether the ray enters. Answers the new direction.
static float3 pt_glass(float ior, float3 direction, float3 normal, int into, float choice,
                       PT_OUT(int) crossed) {
  const float eta = into ? pt_recip(ior) : ior;
  const float c = pt_min(1.0f, pt_max(0.0f, pt_dot(direction, normal) * -1.0f));
  const float k = 1.0f - eta * eta * (1.0f - c * c);
  float reflectance = 1.0f;
  float t = 0.0f;
  if (k > 1.0e-6f) {
    t = pt_sqrt(k);
    const float across = (eta * c - t) * pt_recip(eta * c + t);
    const float along = (c - eta * t) * pt_recip(c + eta * t);
    reflectance = 0.5f * (across * across + along * along);
  }
  *crossed = choice >= reflectance;
  return pt_unit(*crossed ? direction * eta + normal * (eta * c - t)
                          : direction + normal * (2.0f * c));
}

// ---- a path

static float3 pt_path(__global const PtNode* nodes, __global const PtTriangle* triangles,
                      __global const PtNormals* normals, __global const PtMaterial* materials,
                      __global const PtLight* lights, __global const PtView* view, float3 origin,
                      float3 direction, uint pixel, uint sample) {
  float3 light = V3(0.0f, 0.0f, 0.0f);
  float3 weight = V3(1.0f, 1.0f, 1.0f);
  int lit = 0;     // the last point already asked the lamps: meeting one now would count it twice
  int sunned = 0;  // some point already asked the sun: its disc no longer counts
  int matt = 0;    // some point scattered diffusely
  uint dimension = 2u;
  for (uint depth = 0u; depth < PT_DEPTH_MAX; ++depth) {
    PtHit hit;
    hit.t = PT_FAR;
    hit.u = 0.0f;
    hit.v = 0.0f;
    hit.triangle = 0u;
    if (!pt_trace(nodes, triangles, materials, origin, direction, 0, &hit)) {
      light = light + weight * pt_sky(view, direction, !sunned);
      break;
    }
    __global const PtTriangle* triangle = triangles + hit.triangle;
    __global const PtMaterial* material = materials + triangle->material;
    const float3 emission = pt_load(material->emission);
    if (pt_largest(emission) > PT_TINY) {
      if (!lit) light = light + weight * emission;
      break;
    }
    const float3 e1 = pt_load(triangle->edge1);
    const float3 e2 = pt_load(triangle->edge2);
    const float3 point = pt_load(triangle->corner) + e1 * hit.u + e2 * hit.v;
    float3 geometric = pt_unit(pt_cross(e1, e2));
    __global const PtNormals* corner = normals + hit.triangle;
    float3 normal =
        pt_unit(pt_load(corner->n0) * (1.0f - hit.u - hit.v) + pt_load(corner->n1) * hit.u +
                pt_load(corner->n2) * hit.v);
    // Corner normals may point to either side; the face's winding decides what is outside.
    if (pt_dot(normal, geometric) < PT_TINY) normal = normal * -1.0f;
    const int into = pt_dot(direction, geometric) < PT_TINY;
    if (!into) {
      geometric = geometric * -1.0f;
      normal = normal * -1.0f;
    }
    if (pt_dot(direction, normal) > -1.0e-3f) normal = geometric;
    const float size = pt_max(pt_abs(point.x), pt_max(pt_abs(point.y), pt_abs(point.z)));
    const float3 lift = geometric * (5.0e-5f + 2.0e-6f * size);

    const PtPair choice = pt_sample(pixel, sample, dimension);
    const PtPair turn = pt_sample(pixel, sample, dimension + 1u);
    dimension += 3u;
    if (material->kind == PT_GLASS) {
      int crossed = 0;
      direction = pt_glass(material->ior, direction, normal, into, choice.u, &crossed);
      if (crossed && into) weight = weight * pt_load(material->diffuse);
      origin = crossed ? point - lift : point + lift;
    } else {
      const float3 f0 = pt_load(material->specular);
      const float3 base = pt_load(material->diffuse);
      // Seen from matt surfaces all gloss is broad: caustics would be a few bright dots.
      const float alpha = matt ? pt_max(material->alpha, 0.35f) : material->alpha;
      float gloss_share = 1.0f;
      float through = 0.0f;
      if (material->kind == PT_SURFACE) {
        const float f = pt_largest(f0);
        const float c = pt_min(1.0f, pt_max(0.0f, pt_dot(direction, normal) * -1.0f));
        const float coat = f > 1.0e-4f ? f + (1.0f - f) * pt_power5(1.0f - c) : 0.0f;
        through = 1.0f - coat;
        const float rest = through * pt_largest(base);
        gloss_share = coat > 1.0e-4f
                          ? pt_min(0.9f, pt_max(0.1f, coat * pt_recip(coat + rest + 1.0e-6f)))
                          : 0.0f;
      }
      origin = point + lift;
      const int gloss = choice.u < gloss_share;
      const int mirror = gloss && alpha < PT_MIRROR;
      weight = weight * pt_recip(gloss ? gloss_share : 1.0f - gloss_share);
      if (!gloss) weight = weight * base * through;
      if (pt_largest(weight) < 1.0e-4f) break;
      if (!mirror) {
        // Gloss asks the sun only: lamps are large enough to be met by chance.
        float3 to = normal;
        const float3 arriving = pt_direct(
            nodes, triangles, materials, lights, view, origin, geometric,
            gloss ? 0.0f : view->light_share, choice.v, pt_sample(pixel, sample, dimension - 1u),
            &to);
        if (pt_largest(arriving) > PT_TINY) {
          const float diffusely = pt_max(0.0f, pt_dot(normal, to)) * PT_INV_PI;
          light = light + weight * arriving *
                              (gloss ? pt_shine(f0, alpha, direction, normal, to)
                                     : V3(diffusely, diffusely, diffusely));
        }
        sunned = 1;
      }
      lit = !gloss;
      if (gloss) {
        float3 reflected = direction;
        float3 factor = f0;
        if (!pt_gloss(f0, alpha, direction, normal, turn, &reflected, &factor)) break;
        direction = reflected;
        weight = weight * factor;
      } else {
        const float3 disc = pt_disc(turn);
        const float height = pt_sqrt(pt_max(0.0f, 1.0f - disc.x * disc.x - disc.y * disc.y));
        matt = 1;
        direction = pt_unit(pt_to_world(V3(disc.x, disc.y, pt_max(height, 1.0e-4f)), normal));
      }
      if (pt_dot(direction, geometric) < 1.0e-5f) break;
    }
    const float strength = pt_largest(weight);
    if (strength < 1.0e-4f) break;
    if (depth >= 2u && strength < 1.0f) {
      const float survive = pt_max(strength, 0.05f);
      if (pt_fraction(pt_hash(pixel ^ pt_hash(sample * 16u + depth + 1u))) >= survive) break;
      weight = weight * pt_recip(survive);
    }
  }
  const float peak = pt_largest(light);
  return peak > PT_SAMPLE_MAX ? light * (PT_SAMPLE_MAX * pt_recip(peak)) : light;
}

// Adds samples [first_sample, first_sample + sample_count) of pixels [first_pixel, first_pixel +
// pixel_count) of the frame to the sums, of which first_pixel's are at sums[3 * sums_offset].
__kernel void pathtrace(__global const PtNode* nodes, __global const PtTriangle* triangles,
                        __global const PtNormals* normals, __global const PtMaterial* materials,
                        __global const PtLight* lights, __global const PtView* view,
                        __global float* sums, uint sums_offset, uint first_pixel,
                        uint pixel_count, uint first_sample, uint sample_count) {
  const uint item = (uint)get_global_id(0);
  if (item >= pixel_count) return;
  const uint pixel = first_pixel + item;
  const uint row = pixel / view->width;
  const uint column = pixel - row * view->width;
  const uint hash = pt_hash(pixel ^ pt_hash(view->frame ^ pt_hash(view->seed + 0x632be5abu)));
  __global float* sum = sums + (sums_offset + item) * 3u;
  float3 total = pt_load(sum);
  const float scale_x = 2.0f * pt_recip((float)view->width);
  const float scale_y = 2.0f * pt_recip((float)view->height);
  for (uint sample = first_sample; sample < first_sample + sample_count; ++sample) {
    const PtPair jitter = pt_sample(hash, sample, 0u);
    const float x = ((float)column + jitter.u) * scale_x - 1.0f;
    const float y = 1.0f - ((float)row + jitter.v) * scale_y;
    const float3 ray = pt_load(view->forward) + pt_load(view->right) * x + pt_load(view->up) * y;
    float3 origin = pt_load(view->eye);
    float3 direction = ray;
    if (view->lens_radius > 1.0e-7f) {
      const float3 lens = pt_disc(pt_sample(hash, sample, 1u)) * view->lens_radius;
      const float3 offset =
          pt_unit(pt_load(view->right)) * lens.x + pt_unit(pt_load(view->up)) * lens.y;
      origin = origin + offset;
      direction = ray * view->focus_distance - offset;
    }
    total = total + pt_path(nodes, triangles, normals, materials, lights, view, origin,
                            pt_unit(direction), hash, sample);
  }
  sum[0] = total.x;
  sum[1] = total.y;
  sum[2] = total.z;
}
