// When a node's owner came and went, and what the owner policy did to leases then.
import type { ColumnDef } from '@tanstack/react-table';
import { Link } from 'wouter';

import { useOwnerNotes } from '../api/asks';
import type { OwnerNote } from '../api/client';
import { show_moment } from '../lib/time';
import { owner_acts } from '../lib/words';
import { Empty, View } from './states';
import { Table } from './table';

const columns: ColumnDef<OwnerNote>[] = [
  { id: 'at', header: 'When', cell: ({ row }) => show_moment(row.original.at), meta: { width: 'minmax(10rem, 1fr)' } },
  { id: 'act', header: 'What', cell: ({ row }) => owner_acts[row.original.act], meta: { width: 'minmax(9rem, 1.3fr)' } },
  {
    id: 'about',
    header: 'Why, or which lease',
    cell: ({ row: { original: note } }) => (note.lease === '0' ? note.why || '–' : <Link href={`/leases/${note.lease}`}>lease {note.lease}</Link>),
    meta: { width: 'minmax(9rem, 1.5fr)' },
  },
];

export function OwnerNotes({ node }: { node: string }) {
  const notes = useOwnerNotes(node);
  return (
    <View of={notes} what="the owner's comings and goings">
      {() => (
        <Table
          label="What the owner policy did"
          rows={notes.rows ?? []}
          columns={columns}
          row_id={(note) => `${note.at} ${note.act} ${note.lease}`}
          more={notes.more}
          rows_high={8}
          empty={<Empty title="Nothing yet">When the owner of the machine comes back, what that did to leases stands here.</Empty>}
        />
      )}
    </View>
  );
}
