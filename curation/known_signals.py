"""What rules measured of a shard before other duplicates were removed from it: documents that are still there keep it.

Where the duplicates are removed before the rules, a corpus that grows changes which documents of an old shard stay, and how
many others each stands for, but not their texts. Price: the signals of one shard in memory, 8 bytes each.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.manifest import Entry, Manifest
from curation.pass_plan import ShardTask
from curation.run_state import RunState
from curation.shard_output import ShardOutput


def remembered(run: RunState, task: ShardTask) -> Entry | None:
    """An earlier result of this unit over the same documents, of which other ones were duplicates then."""
    entry = run.manifest.read(task.unit)
    if entry is None or task.step.number == 0 or not task.basis or entry.basis.get("documents") != task.basis["documents"]:
        return None
    return run.manifest.done(task.unit, entry.key)


class KnownSignals:
    """The signals of an earlier result that still are what rules would measure, by document."""

    def __init__(self, task: ShardTask):
        self.table: pa.Table | None = None
        path = ShardOutput(task).path("signals")
        if task.measured is None or path not in task.measured.outputs:
            return
        old = task.measured.basis["columns"]
        names = [name for name, identity in task.basis["columns"].items() if old.get(name) == identity]
        table = pq.read_table(task.job.output / path, columns=["id", *names])
        Manifest(task.job.output).record(replace(task.measured, key="being measured again", basis={}))  # its files are about to change
        if len(table["id"].unique()) == len(table):
            self.table = table.combine_chunks()

    def of(self, documents: pa.Table) -> dict[str, np.ndarray] | None:
        """The known columns of `documents` (float64 [documents]); None where some of them were not measured."""
        if self.table is None:
            return None
        places = pc.index_in(documents["id"], value_set=self.table["id"].combine_chunks())
        if places.null_count:
            return None
        rows = self.table.take(places)
        return {name: rows[name].to_numpy() for name in rows.column_names if name != "id"}
