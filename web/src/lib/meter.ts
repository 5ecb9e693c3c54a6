// A lease's meter as a picture: what its node has proven, record by record. Pictures may round.

export interface MeterPoint {
  at: number; // the node's clock, seconds since 1970
  running: number; // proven since the start, seconds
}

export interface MeterPicture {
  times: number[];
  proven: number[]; // in `unit`
  share: (number | null)[]; // how much of the time since the point before it ran, in percent
  unit: 's' | 'min' | 'h';
  whole_share: number | null; // of the time between the first and the last
}

const points_max = 400;
const units = [['h', 3_600, 7_200], ['min', 60, 120], ['s', 1, 0]] as const;
const share_of = (from: MeterPoint, to: MeterPoint) => (to.at > from.at ? Math.max(0, Math.min(100, ((to.running - from.running) / (to.at - from.at)) * 100)) : null);

// Records in order. Of many, every so many-th, and always the last.
export function meter_picture(records: MeterPoint[]): MeterPicture {
  const step = Math.max(1, Math.ceil(records.length / points_max));
  const shown = records.filter((_, index) => (records.length - 1 - index) % step === 0);
  const last = shown[shown.length - 1];
  const [unit, seconds] = units.find(([, , from]) => (last?.running ?? 0) >= from) ?? units[2];
  return {
    times: shown.map((point) => point.at),
    proven: shown.map((point) => point.running / seconds),
    share: shown.map((point, index) => (index === 0 ? null : share_of(shown[index - 1]!, point))),
    unit,
    whole_share: last ? share_of(shown[0]!, last) : null,
  };
}
