// A list of any length: only the rows in sight are in the document, and further pages are fetched
// as the reader comes near the end.
import { createRow, flexRender, getCoreRowModel, useReactTable, type ColumnDef, type RowData, type Table as TableOf } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, useEffect, useRef, type ReactNode } from 'react';

declare module '@tanstack/react-table' {
  interface ColumnMeta<TData extends RowData, TValue> {
    width: string; // of a grid column: "8rem", "minmax(8rem, 2fr)"
    right?: boolean; // numbers
    wide_only?: boolean; // left out on narrow screens
    sort?: string; // the server's name of this order
    unused?: [TData, TValue];
  }
}

export interface TableProps<Row extends object> {
  label: string;
  rows: Row[];
  columns: ColumnDef<Row>[];
  row_id: (row: Row) => string;
  open?: (row: Row) => void; // a row is pressed
  open_label?: (row: Row) => string;
  order?: string; // "price", "price-"
  set_order?: (order: string) => void;
  more?: { fetch: () => void; has: boolean; busy: boolean; failed: boolean };
  on_sight?: (first: number, last: number) => void; // these rows are drawn now
  rows_high?: number; // height in rows, at most
  empty?: ReactNode;
}

const row_height = 44;
const no_rows: never[] = []; // the library's own model would hold one of each row of a list of any length

// Whether a press is the row's own: not on what does something by itself, nor in a dialog that a cell has opened. That
// stands elsewhere in the document, but React hands its events up to the row.
export function is_of_row({ target, currentTarget }: { target: EventTarget; currentTarget: EventTarget }): boolean {
  const pressed = target as Element;
  return (currentTarget as Element).contains(pressed) && pressed.closest('a,button,input') === null;
}

const cell_class = (meta: { right?: boolean; wide_only?: boolean } | undefined) => `cell${meta?.right ? ' right' : ''}${meta?.wide_only ? ' wide-only' : ''}`;

interface RowProps<Row extends object> {
  table: TableOf<Row>;
  columns: ColumnDef<Row>[]; // the table's: where they change, its rows do
  id: string;
  row: Row;
  index: number;
  start: number;
  open?: (row: Row) => void;
  open_label?: (row: Row) => string;
}

// Drawn anew only where something of it has changed: while one scrolls, that is none but those that come into sight.
const RowLine = memo(function RowLine<Row extends object>({ table, id, row, index, start, open, open_label }: RowProps<Row>) {
  return (
    <div role="row" aria-rowindex={index + 2} className={`table-row${open ? ' pressable' : ''}`} style={{ transform: `translateY(${start}px)` }} onClick={open && ((event) => is_of_row(event) && open(row))}>
      {createRow(table, id, row, index, 0)
        .getVisibleCells()
        .map((one, at) => (
          <div key={one.id} role="cell" className={cell_class(one.column.columnDef.meta)}>
            {at === 0 && open ? (
              <button type="button" className="link" aria-description={open_label?.(row)} onClick={() => open(row)}>
                {flexRender(one.column.columnDef.cell, one.getContext())}
              </button>
            ) : (
              flexRender(one.column.columnDef.cell, one.getContext())
            )}
          </div>
        ))}
    </div>
  );
}) as <Row extends object>(props: RowProps<Row>) => ReactNode;

export function Table<Row extends object>({ label, rows, columns, row_id, open, open_label, order, set_order, more, on_sight, rows_high = 14, empty }: TableProps<Row>) {
  const table = useReactTable<Row>({ data: no_rows, columns, getCoreRowModel: getCoreRowModel() });
  const body = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => body.current, estimateSize: () => row_height, overscan: 12 });
  const shown = virtual.getVirtualItems();
  const first = shown[0]?.index ?? 0;
  const last = shown[shown.length - 1]?.index ?? 0;

  useEffect(() => on_sight?.(first, last), [on_sight, first, last]);

  useEffect(() => {
    if (more?.has && !more.busy && !more.failed && rows.length > 0 && last >= rows.length - 20) more.fetch();
  }, [more, last, rows.length]);

  if (rows.length === 0 && !more?.busy) return <>{empty}</>;
  const template = table.getAllLeafColumns();
  const all = template.map((column) => column.columnDef.meta?.width ?? 'minmax(6rem, 1fr)').join(' ');
  const narrow = template.filter((column) => !column.columnDef.meta?.wide_only).map((column) => column.columnDef.meta?.width ?? 'minmax(6rem, 1fr)').join(' ');
  const style = { '--columns': all, '--columns-narrow': narrow } as React.CSSProperties;
  const height = Math.min(rows.length, rows_high) * row_height;

  return (
    <div className={`table${rows.length > rows_high ? ' scrolls' : ''}`} role="table" aria-label={label} aria-rowcount={more?.has ? -1 : rows.length + 1} style={style}>
      <div role="rowgroup" className="table-head">
        <div role="row" className="table-row" aria-rowindex={1}>
          {table.getFlatHeaders().map((header) => {
            const meta = header.column.columnDef.meta;
            const sorted = meta?.sort && order?.replace(/-$/, '') === meta.sort;
            const down = sorted && order?.endsWith('-');
            return (
              <div key={header.id} role="columnheader" className={cell_class(meta)} aria-sort={sorted ? (down ? 'descending' : 'ascending') : undefined}>
                {meta?.sort && set_order ? (
                  <button type="button" className="sort" onClick={() => set_order(sorted && !down ? `${meta.sort}-` : meta.sort!)}>
                    {flexRender(header.column.columnDef.header, header.getContext())}
                    <span aria-hidden="true">{sorted ? (down ? ' ↓' : ' ↑') : ''}</span>
                  </button>
                ) : (
                  flexRender(header.column.columnDef.header, header.getContext())
                )}
              </div>
            );
          })}
        </div>
      </div>
      <div ref={body} role="rowgroup" className="table-body" tabIndex={0} aria-label={`${label}, rows`} style={{ height }}>
        <div role="presentation" className="table-inside" style={{ height: virtual.getTotalSize() }}>
          {shown.map((item) => {
            const row = rows[item.index];
            if (!row) return null;
            const id = row_id(row);
            return <RowLine key={id} table={table} columns={columns} id={id} row={row} index={item.index} start={item.start} open={open} open_label={open_label} />;
          })}
        </div>
      </div>
      {more?.busy && <div className="table-foot" role="status">Loading more…</div>}
    </div>
  );
}
