#!/usr/bin/env python3
"""Writes field.obj and field.mtl: graphics cards that grow in the furrows of a fallow field.

Run it in this folder to make the scene anew; the build does not need it. Units are metres, y is up.
The same script gives the same files: its noise is a hash, not the machine's.
"""
import math


def noise(*key):
    """A number in [0, 1) that depends on the key alone."""
    state = 2166136261
    for part in key:
        for byte in str(part).encode():
            state = (state ^ byte) * 16777619 & 0xFFFFFFFF
    state ^= state >> 15
    state = state * 0x2C1B3C6D & 0xFFFFFFFF
    state ^= state >> 12
    state = state * 0x297A2D39 & 0xFFFFFFFF
    state ^= state >> 15
    return state / 2**32


def smooth_noise(x, z, seed):
    """Value noise with a grid of 1."""
    x0, z0 = math.floor(x), math.floor(z)
    fx, fz = x - x0, z - z0
    fx, fz = fx * fx * (3 - 2 * fx), fz * fz * (3 - 2 * fz)
    a, b = noise(seed, x0, z0), noise(seed, x0 + 1, z0)
    c, d = noise(seed, x0, z0 + 1), noise(seed, x0 + 1, z0 + 1)
    return (a * (1 - fx) + b * fx) * (1 - fz) + (c * (1 - fx) + d * fx) * fz


class Obj:
    def __init__(self):
        self.lines = []
        self.count = 0
        self.material = None

    def vertex(self, p):
        self.lines.append('v ' + ' '.join(f'{c:.{3 if p[2] > -9 else 2}f}'.rstrip('0').rstrip('.') for c in p))
        self.count += 1
        return self.count

    def use(self, material):
        if material != self.material:
            self.lines.append(f'usemtl {material}')
            self.material = material

    def face(self, *indices):
        self.lines.append('f ' + ' '.join(map(str, indices)))

    def box(self, material, lo, hi, place):
        self.use(material)
        v = [self.vertex(place((x, y, z))) for y in (lo[1], hi[1]) for z in (lo[2], hi[2])
             for x in (lo[0], hi[0])]
        for a, b, c, d in ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4),
                           (1, 5, 7, 3)):
            self.face(v[a], v[b], v[c], v[d])


def furrow(x):
    """Height of the ploughed earth across the furrows, which run along z, one metre apart."""
    return 0.105 * math.cos(2 * math.pi * x) + 0.02 * math.cos(4 * math.pi * x + 0.6)


def earth_height(x, z):
    lumps = 0.05 * (smooth_noise(x * 2.5, z * 1.6, 'lump') - 0.5) + 0.03 * (smooth_noise(x * 7, z * 3.3, 'clod') - 0.5)
    near = max(0.0, min(1.0, (z + 14) / 10))
    return furrow(x) + lumps * (0.4 + 0.6 * near)


def field(obj):
    """Three strips, coarser and wider with the distance; each begins a little before the last ends."""
    for near, far, step_z, step_x, per_metre in ((1.7, -2.3, 0.33, 6, 1.0), (-2.0, -10.6, 0.95, 4, 1.0),
                                                 (-9.4, -36, 3.7, 2, 1.0)):
        rows = int((near - far) / step_z) + 1
        half = 0.5 + 1.2 * per_metre * (3.0 - far)
        sheet_rows = []
        for i in range(rows):
            z = near - i * step_z
            reach = per_metre * (3.0 - z)
            line = {}
            for k in range(-int(half * step_x), int(half * step_x) + 1):
                x = k / step_x
                if -0.5 - 1.12 * reach <= x <= 1.2 + 0.42 * reach:
                    line[k] = obj.vertex((x, earth_height(x, z), z))
            sheet_rows.append(line)
        obj.use('earth')
        for a, b in zip(sheet_rows, sheet_rows[1:]):
            for k in a:
                if k + 1 in a and k in b and k + 1 in b:
                    obj.face(a[k], a[k + 1], b[k + 1], b[k])


def sheet(obj, material, zs, xs, height):
    obj.use(material)
    grid = [[obj.vertex((x, height(x, z), z)) for x in xs] for z in zs]
    for a, b in zip(grid, grid[1:]):
        for i in range(len(xs) - 1):
            obj.face(a[i], a[i + 1], b[i + 1], b[i])


def card(obj, x, z, turn, lean, size):
    """A graphics card, upright in the earth: two fans to the front, its bracket to the left."""
    ct, st, cl, sl = math.cos(turn), math.sin(turn), math.cos(lean), math.sin(lean)
    ground = earth_height(x, z) - 0.1 * size

    def place(p):
        px, py, pz = (c * size for c in p)
        px, py = px * cl - py * sl, px * sl + py * cl
        return (x + px * ct + pz * st, ground + py, z - px * st + pz * ct)

    w, h, d = 0.46, 0.50, 0.07
    obj.box('shroud', (-w, 0.06, -d * 0.2), (w, h, d), place)
    obj.box('board', (-w * 1.0, 0.03, -d * 0.45), (w * 0.98, h * 0.98, -d * 0.3), place)
    obj.box('backplate', (-w * 0.97, 0.08, -d * 0.72), (w * 0.95, h * 0.96, -d * 0.5), place)
    obj.box('bracket', (-w - 0.03, -0.02, -d * 0.8), (-w - 0.012, h + 0.06, d * 1.05), place)
    obj.box('gold', (-w * 0.6, -0.05, -d * 0.42), (w * 0.2, 0.03, -d * 0.33), place)
    obj.box('glow', (-w * 0.9, h, -d * 0.05), (w * 0.9, h + 0.018, d * 0.55), place)
    # Fins that show between the shroud's ends.
    for side in (-1, 1):
        cx, cy, r, steps = side * w * 0.5, (h + 0.06) / 2, 0.195, 20 if z > -1 else 12 if z > -2.2 else 10
        ring = [(cx + r * math.cos(2 * math.pi * i / steps), cy + r * math.sin(2 * math.pi * i / steps))
                for i in range(steps)]
        front, back = d * 1.1, d * 1.005
        obj.use('rim')
        outer = [obj.vertex(place((px, py, front))) for px, py in ring]
        inner = [obj.vertex(place((cx + (px - cx) * 0.9, cy + (py - cy) * 0.9, front))) for px, py in ring]
        well = [obj.vertex(place((cx + (px - cx) * 0.9, cy + (py - cy) * 0.9, back))) for px, py in ring]
        for i in range(steps):
            j = (i + 1) % steps
            obj.face(inner[i], outer[i], outer[j], inner[j])
            obj.face(inner[j], well[j], well[i], inner[i])
        obj.use('dark')
        obj.face(*well)
        if z < -2.2:
            continue
        obj.use('fan')
        blades = 9
        for blade in range(blades):
            angle = 2 * math.pi * (blade + noise('spin', x, side)) / blades
            quad = []
            for radius, offset, depth in ((0.05, 0.0, 0.35), (0.165, 0.22, 0.2), (0.165, 0.66, 0.95),
                                          (0.05, 0.5, 0.95)):
                a = angle + offset
                quad.append(obj.vertex(place((cx + radius * math.cos(a), cy + radius * math.sin(a),
                                              back + (front - back) * depth))))
            obj.face(*quad)
        obj.use('bracket')
        hub = [obj.vertex(place((cx + 0.056 * math.cos(math.pi * i / 5), cy + 0.056 * math.sin(math.pi * i / 5),
                                 front + 0.002))) for i in range(10)]
        obj.face(*hub)
    leaves(obj, x, z, turn, size, ground)


def leaves(obj, x, z, turn, size, ground):
    """A tuft at the card's foot and two leaves on its top: it has taken root."""
    obj.use('leaf')

    def leaf(base, direction, rise, reach, width):
        cx, cz = math.cos(direction), math.sin(direction)
        left, right = [], []
        steps = 4
        for i in range(steps + 1):
            t = i / steps
            along = reach * t
            up = rise * (1.9 * t - 1.15 * t * t)
            half = width * math.sin(math.pi * (0.12 + 0.88 * t)) * (1 - 0.25 * t)
            if i == steps:
                half = 0.002
            bx, by, bz = base[0] + cx * along, base[1] + up, base[2] + cz * along
            left.append(obj.vertex((bx - cz * half, by + half * 0.35, bz + cx * half)))
            right.append(obj.vertex((bx + cz * half, by + half * 0.35, bz - cx * half)))
        for i in range(steps):
            obj.face(left[i], right[i], right[i + 1], left[i + 1])

    ct, st = math.cos(turn), math.sin(turn)
    for i in range(7 if z > -1 else 4 if z > -2.2 else 0):
        along = (noise('leaf', x, z, i) - 0.5) * 0.9 * size
        out = 0.09 * size * (1 if i % 3 else -1)
        base = (x + along * ct + out * st, ground + 0.07 * size, z - along * st + out * ct)
        angle = (math.pi / 2 - turn) + (noise('way', x, z, i) - 0.5) * 2.6
        leaf(base, angle, (0.14 + 0.2 * noise('rise', x, i)) * size, (0.2 + 0.14 * noise('reach', x, i)) * size,
             0.05 * size)
    # The seedling.
    along = 0.28 - 0.5 * noise('sprout', x, z)
    top = (x + along * size * ct, ground + 0.5 * size, z - along * size * st)
    for side in (0, math.pi):
        leaf(top, side - turn + 0.5, 0.24 * size, 0.22 * size, 0.06 * size)


def tree(obj, x, z, height, kind):
    ground = hill(x, z) - 0.2 if z < -33.9 else earth_height(x, z)
    obj.use('bark')
    trunk = 0.04 * height
    rings = []
    for t in (0.0, 0.45):
        rings.append([obj.vertex((x + trunk * (1 - t) * math.cos(math.pi * i / 3), ground + t * height,
                                  z + trunk * (1 - t) * math.sin(math.pi * i / 3))) for i in range(6)])
    for i in range(6):
        obj.face(rings[0][i], rings[1][i], rings[1][(i + 1) % 6], rings[0][(i + 1) % 6])
    obj.use(kind)
    # A crown of a few bulging rings.
    levels = ((0.26, 0.10), (0.38, 0.27), (0.58, 0.33), (0.80, 0.22), (0.94, 0.08))
    previous = None
    for k, (t, r) in enumerate(levels):
        ring = []
        for i in range(9):
            a = 2 * math.pi * (i + 0.5 * (k % 2)) / 9
            rr = r * height * (0.8 + 0.4 * noise('crown', x, z, k, i))
            ring.append(obj.vertex((x + rr * math.cos(a), ground + (t + 0.05 * noise('bump', x, k, i)) * height,
                                    z + rr * math.sin(a))))
        if previous:
            for i in range(9):
                obj.face(previous[i], ring[i], ring[(i + 1) % 9], previous[(i + 1) % 9])
        else:
            obj.face(*ring)
        previous = ring
    obj.face(*reversed(previous))


def hill(x, z):
    far = max(0.0, (-34 - z) / 60)
    return -0.1 + far * (2.6 + 4 * smooth_noise(x / 26, z / 30, 'hill') + 1.5 * smooth_noise(x / 9, z / 9, 'knoll'))


def barn(obj, x, z):
    ground = hill(x, z) - 0.6

    def place(p):
        c, s = math.cos(0.5), math.sin(0.5)
        return (x + p[0] * c + p[2] * s, ground + p[1], z - p[0] * s + p[2] * c)

    obj.box('barn', (-3.2, 0, -2), (3.2, 2.9, 2), place)
    obj.use('roof')
    a = [obj.vertex(place(p)) for p in ((-3.5, 2.7, 2.4), (3.5, 2.7, 2.4), (3.5, 4.9, 0), (-3.5, 4.9, 0),
                                        (-3.5, 2.7, -2.4), (3.5, 2.7, -2.4))]
    obj.face(a[0], a[1], a[2], a[3])
    obj.face(a[3], a[2], a[5], a[4])
    obj.use('barn')
    b = [obj.vertex(place(p)) for p in ((-3.2, 2.9, 2), (-3.2, 2.9, -2), (-3.2, 4.7, 0), (3.2, 2.9, 2),
                                        (3.2, 2.9, -2), (3.2, 4.7, 0))]
    obj.face(b[0], b[2], b[1])
    obj.face(b[3], b[4], b[5])
    obj.box('trim', (-0.9, 0, 2.0), (0.9, 2.0, 2.06), place)


MATERIALS = {
    'earth': 'Kd 0.30 0.185 0.11\nillum 1',
    'meadow': 'Kd 0.20 0.26 0.075\nillum 1',
    'ridge': 'Kd 0.20 0.27 0.25\nillum 1',
    'far': 'Kd 0.30 0.37 0.46\nillum 1',
    'shroud': 'Kd 0.62 0.63 0.66\nKs 0.7 0.7 0.7\nNs 90\nillum 2',
    'board': 'Kd 0.03 0.30 0.10\nKs 0.5 0.5 0.5\nNs 120\nillum 2',
    'backplate': 'Kd 0.1 0.1 0.1\nKs 0.62 0.63 0.66\nNs 160\nillum 3',
    'bracket': 'Kd 0.1 0.1 0.1\nKs 0.80 0.80 0.82\nNs 220\nillum 3',
    'gold': 'Kd 0.1 0.08 0.02\nKs 1.0 0.74 0.30\nNs 300\nillum 3',
    'rim': 'Kd 0.1 0.1 0.1\nKs 0.55 0.56 0.58\nNs 120\nillum 3',
    'fan': 'Kd 0.11 0.115 0.125\nKs 0.8 0.8 0.8\nNs 150\nillum 2',
    'dark': 'Kd 0.008 0.008 0.009\nillum 1',
    'glow': 'Kd 0 0 0\nKe 0.3 1.9 0.8\nillum 1',
    'leaf': 'Kd 0.20 0.50 0.07\nKs 0.5 0.5 0.5\nNs 40\nillum 2',
    'bark': 'Kd 0.14 0.09 0.06\nillum 1',
    'crown': 'Kd 0.11 0.20 0.045\nillum 1',
    'autumn': 'Kd 0.50 0.22 0.04\nillum 1',
    'barn': 'Kd 0.42 0.085 0.06\nillum 1',
    'roof': 'Kd 0.16 0.15 0.15\nillum 1',
    'trim': 'Kd 0.75 0.72 0.66\nillum 1',
}


def main():
    obj = Obj()
    obj.lines += [
        '# A fallow field where graphics cards grow. Written by make_field.py.',
        '#fallow camera 0.50 1.02 2.5  -0.10 0.43 0.0',
        '#fallow lens 26',
        '#fallow aperture 0.012',
        '#fallow sun -0.78 0.56 0.52',
        '#fallow sky on',
        '#fallow ground off',
        'mtllib field.mtl',
    ]
    field(obj)
    sheet(obj, 'meadow', [-33.5 - 4 * i for i in range(9)], [-66 + 8.25 * i for i in range(15)], hill)
    sheet(obj, 'ridge', [-62 - 6 * i for i in range(5)], [-100 + 10 * i for i in range(21)],
          lambda x, z: (-62 - z) / 24 * (4 + 6 * smooth_noise(x / 24, z / 90, 'ridge')) + 1)
    sheet(obj, 'far', [-92, -110], [-160 + 10 * i for i in range(33)],
          lambda x, z: (-92 - z) / 18 * (8 + 10 * smooth_noise(x / 34, 0, 'far')))
    # Every furrow crest has a row of cards; the nearest are seen from close by.
    for row, x in enumerate((-3.0, -2.0, -1.0, 0.0, 1.0)):
        for k in range(4 if -2.5 < x < 0.5 else 3):
            z = 0.15 - 1.75 * k - 0.6 * (row % 2)
            if x > 0.5 and k == 0:
                continue
            card(obj, x, z, 0.35 + 0.22 * (noise('turn', x, k) - 0.5), 0.14 * (noise('lean', x, k) - 0.5),
                 0.86 + 0.16 * noise('size', x, k))
    for k, (x, z, height, kind) in enumerate((
            (-13, -36, 6.5, 'crown'), (-17.5, -37, 5.2, 'autumn'), (-9.6, -38, 4.6, 'crown'),
            (3.5, -37, 4.4, 'autumn'), (7, -36.5, 5.8, 'crown'), (-30, -46, 7, 'crown'),
            (-24, -42, 6, 'crown'), (-1, -47, 5.4, 'crown'), (14, -45, 6.5, 'autumn'),
            (-4.6, -40, 3.9, 'autumn'), (-36, -44, 6.6, 'autumn'))):
        tree(obj, x, z, height, kind)
    barn(obj, -6, -46)
    with open('field.obj', 'w', encoding='ascii') as file:
        file.write('\n'.join(obj.lines) + '\n')
    with open('field.mtl', 'w', encoding='ascii') as file:
        file.write('# Written by make_field.py.\n')
        for name, text in MATERIALS.items():
            file.write(f'newmtl {name}\n{text}\n')


main()
