// A chart over time. Pictures may round: values are numbers here and nowhere else.
import { useLayoutEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

export interface Series {
  name: string;
  values: (number | null)[];
  colour: '--accent' | '--second' | '--muted';
  bars?: boolean;
  scale?: 'y' | 'share';
  dashed?: boolean;
  band?: { low: number[]; high: number[] }; // shaded about the line
}

// Edges of bands come after all lines; what the legend says of them stands beside their line.
const edges_of = (series: Series[]) => series.flatMap((one, line) => (one.band ? [{ one, line: line + 1, values: one.band.high }, { one, line: line + 1, values: one.band.low }] : []));
const data_of = ({ times, series }: { times: number[]; series: Series[] }) => [times, ...series.map((one) => one.values), ...edges_of(series).map((edge) => edge.values)] as uPlot.AlignedData;

// Those that no line leads to: drawn as points, or they would not be seen.
const lonely = (values: ArrayLike<number | null | undefined>) => {
  const known = (at: number) => values[at] !== null && values[at] !== undefined;
  return Array.from(values, (_, at) => at).filter((at) => known(at) && !known(at - 1) && !known(at + 1));
};

// `times`: seconds since 1970, ascending. `about` says in words what the picture shows. `rests_at`: whose values stand in
// the legend while nobody points at others. `range`: from when to when it goes; else from the first time to the last. Values
// may change many times a second, `range` with them: the picture is not made anew for that.
export function Chart({ times, series, about, height = 220, digits = 2, legend_digits = digits + 2, rests_at = 'last', range }: { times: number[]; series: Series[]; about: string; height?: number; digits?: number; legend_digits?: number; rests_at?: 'first' | 'last'; range?: readonly [number, number] }) {
  const place = useRef<HTMLDivElement>(null);
  const plot_of = useRef<uPlot>(undefined);
  const shown = useRef({ times, series, range });
  shown.current = { times, series, range };
  const drawn = useRef(shown.current);
  const form = JSON.stringify([range !== undefined, series.map((one) => [one.name, one.colour, one.bars, one.scale, one.dashed, one.band !== undefined])]);
  useLayoutEffect(() => {
    const element = place.current;
    if (!element) return;
    let plot: uPlot | undefined;
    const draw = () => {
      const { series } = shown.current;
      plot?.destroy();
      const colours = getComputedStyle(element);
      const colour = (name: string) => colours.getPropertyValue(name).trim();
      const axis = { stroke: colour('--muted'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: '12px system-ui' };
      const has_share = series.some((one) => one.scale === 'share');
      const has_y = series.some((one) => one.scale !== 'share');
      const rest = (u: uPlot) => u.setLegend({ idx: rests_at === 'last' ? u.data[0].length - 1 : 0 });
      const band_of = (at: number) => shown.current.series[at]?.band;
      const value_text = (one: Series, value: number) => (one.scale === 'share' ? `${value.toFixed(0)} %` : value.toFixed(legend_digits));
      const edges = edges_of(series);
      plot = new uPlot(
        {
          width: element.clientWidth,
          height,
          padding: [8, has_y && has_share ? 8 : 18, 0, 0], // the last moment's name needs room where no axis stands
          cursor: { y: false },
          legend: { live: true },
          hooks: {
            setCursor: [(u) => u.cursor.idx == null && rest(u)],
            ready: [rest],
            // A line that is put away in the legend takes its band with it.
            setSeries: [(u, index, { show }) => edges.forEach((edge, at) => edge.line === index && show !== undefined && u.setSeries(series.length + 1 + at, { show }))],
          },
          bands: edges.flatMap(({ one }, at) => (at % 2 === 0 ? [{ series: [series.length + 1 + at, series.length + 2 + at] as [number, number], fill: `${colour(one.colour)}2b` }] : [])),
          scales: { x: { time: true, ...(shown.current.range ? { range: () => [...(shown.current.range ?? [0, 1])] as [number, number] } : {}) }, y: { range: (_, low, high) => [Math.min(0, low ?? 0) || 0, (high ?? 0) > 0 ? high! * 1.12 : 1] }, share: { range: [0, 100] } },
          axes: [
            axis,
            ...(has_y ? [{ ...axis, size: 58, values: (_: uPlot, ticks: number[]) => ticks.map((tick) => tick.toFixed(digits)) }] : []),
            ...(has_share ? [{ ...axis, scale: 'share', ...(has_y ? { side: 1 as const, size: 44, grid: { show: false } } : { size: 58 }), values: (_: uPlot, ticks: number[]) => ticks.map((tick) => `${tick} %`) }] : []),
          ],
          series: [
            {},
            ...series.map((one, line) => ({
              label: one.name,
              scale: one.scale ?? 'y',
              stroke: colour(one.colour),
              width: one.bars || (one.scale === 'share' && has_y) ? 1 : 2,
              dash: one.dashed ? [5, 4] : undefined,
              fill: one.bars ? colour(one.colour) : undefined,
              paths: one.bars ? uPlot.paths.bars!({ size: [0.7, 48] }) : undefined,
              points: {
                show: (u: uPlot) => u.data[0].length < 3 && !one.bars,
                filter: (u: uPlot, at: number, show: boolean) => (show || one.bars ? null : lonely(u.data[at]!)),
              },
              value: (_: uPlot, value: number | null, __: number, at: number | null) => {
                const band = band_of(line);
                return value === null || value === undefined ? '–' : `${value_text(one, value)}${band && at !== null ? ` (${value_text(one, band.low[at]!)} to ${value_text(one, band.high[at]!)})` : ''}`;
              },
            })),
            ...edges.map(({ one }) => ({ class: 'edge', scale: one.scale ?? 'y', stroke: `${colour(one.colour)}2b`, width: 1, points: { show: false } })),
          ],
        },
        data_of(shown.current),
        element,
      );
      plot_of.current = plot;
      drawn.current = shown.current;
    };
    draw();
    let width = element.clientWidth;
    const resized = new ResizeObserver(() => {
      if (element.clientWidth === width) return;
      width = element.clientWidth;
      plot?.setSize({ width, height });
    });
    resized.observe(element);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', draw);
    const theme = new MutationObserver(draw);
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    return () => {
      resized.disconnect();
      theme.disconnect();
      scheme.removeEventListener('change', draw);
      plot?.destroy();
      plot_of.current = undefined;
    };
  }, [form, height, digits, legend_digits, rests_at]);
  // Other values of the same lines: one redraw, of what is there.
  useLayoutEffect(() => {
    const plot = plot_of.current;
    if (!plot || drawn.current === shown.current) return;
    drawn.current = shown.current;
    plot.setData(data_of(shown.current));
    if (plot.cursor.idx == null) plot.setLegend({ idx: rests_at === 'last' ? times.length - 1 : 0 });
  }, [times, series, range, rests_at]);
  return <div ref={place} className="chart" role="img" aria-label={about} style={{ minHeight: height }} />;
}
