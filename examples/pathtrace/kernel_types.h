// The buffers that the host packs and the kernel reads: one text, both compilers.
//
// Embedded in front of kernel.cl at build time and included by the host. Only 4-byte scalars and
// arrays of them, so that every compiler lays them out alike, without padding.
#ifndef FALLOW_PATHTRACE_KERNEL_TYPES_H_
#define FALLOW_PATHTRACE_KERNEL_TYPES_H_

#define PT_SURFACE 0u  // diffuse under an optional glossy coat
#define PT_METAL 1u    // glossy reflection only
#define PT_GLASS 2u    // smooth dielectric

// Depth of the traversal stack; the builder keeps every tree below it.
#define PT_STACK_MAX 48

// A box of the hierarchy. Leaf: count > 0 triangles from `first`. Inner: count == 0, children at
// `first` and `first + 1`. Node 0 is the root.
typedef struct PtNode {
  float lo[3];
  unsigned int first;
  float hi[3];
  unsigned int count;
} PtNode;

// What a ray meets: one corner and the two edges leaving it.
typedef struct PtTriangle {
  float corner[3];
  float edge1[3];
  float edge2[3];
  unsigned int material;
} PtTriangle;

// What only the nearest hit needs: unit normals of the three corners.
typedef struct PtNormals {
  float n0[3];
  float n1[3];
  float n2[3];
} PtNormals;

typedef struct PtMaterial {
  float diffuse[3];
  unsigned int kind;
  float specular[3];  // reflectance at normal incidence
  float alpha;        // GGX roughness; below 0.03 a perfect mirror
  float emission[3];
  float ior;
} PtMaterial;

// An emitting triangle. `cumulative` rises to 1 at the last light; picking by it has probability
// `probability`.
typedef struct PtLight {
  unsigned int triangle;
  float cumulative;
  float probability;
  float area;
} PtLight;

// Camera, sky and sampling of one frame.
typedef struct PtView {
  float eye[3];
  float right[3];    // half the picture's width at distance 1
  float up[3];       // half its height
  float forward[3];  // unit
  float lens_radius;
  float focus_distance;
  unsigned int width;
  unsigned int height;
  unsigned int seed;
  unsigned int frame;
  unsigned int sky;  // 0: black, no sun
  float horizon[3];
  float zenith[3];
  float ground[3];
  float sun[3];             // unit, towards it
  float sun_irradiance[3];  // on a surface that faces it
  float sun_radius;         // tangent of half its angle
  float glow[3];            // brightness of the sky beside the sun
  unsigned int light_count;
  float light_share;  // of shadow rays that go to a PtLight, the others go to the sun
} PtView;

#endif  // FALLOW_PATHTRACE_KERNEL_TYPES_H_
