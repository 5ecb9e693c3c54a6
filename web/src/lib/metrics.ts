// Prometheus' text, as far as the operator's page reads it: one value a name, without labels.
export function parse_metrics(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*) (\S+)$/.exec(line);
    if (match) values.set(match[1]!, Number(match[2]));
  }
  return values;
}

// The sum over a counter's label sets that `wanted` accepts.
export function sum_metric(text: string, name: string, wanted: (labels: string) => boolean): number {
  let sum = 0;
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*)\{(.*)\} (\S+)$/.exec(line);
    if (match && match[1] === name && wanted(match[2]!)) sum += Number(match[3]);
  }
  return sum;
}
