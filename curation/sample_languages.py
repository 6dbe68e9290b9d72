"""Which languages the rules see in a sample: those that they see in a run, or a preview would count other documents.

Of a job: what its language stage says, without the documents that it removes; without that stage, what the input says. Of
packs alone, there is no job to follow: documents get a language where none of them has one, as `language: {}` in a job gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from curation.job import LoadedJob
from curation.reports.rules_told import no_language_warning, rules_that_name_languages, told_rules
from curation.stages.language import LanguageSettings, filter_language, identify, with_language
from rules.rule import Pack

_ROW = "row of the sample"


@dataclass
class SeenLanguages:
    """What gives a sample the languages that rules see, and then tells in `notes` what a reader of the numbers must know."""

    packs: Sequence[Pack]
    job: bool  # the packs are those of a job, `language` is its language stage before the rules
    language: LanguageSettings | None = None
    notes: list[str] = field(default_factory=list)

    def __call__(self, documents: pa.Table) -> pa.Table:
        if self.job and self.language is not None:
            return self._through_stage(documents, self.language)
        unknown = documents["lang"].null_count
        if not unknown:
            return documents
        names = rules_that_name_languages(told_rules(self.packs), {pack.name: {"languages": pack.languages} for pack in self.packs})
        if self.job or unknown < len(documents):
            self.notes += [no_language_warning(names, some=unknown < len(documents))] if names else []
            return documents
        self.notes += ["no document has a language: they were identified for this preview, as a job with `language: {}` does"] if names else []
        return with_language(documents, *identify(documents["text"], LanguageSettings()))

    def _through_stage(self, documents: pa.Table, settings: LanguageSettings) -> pa.Table:
        outcome = filter_language(documents, settings)
        gone = len(documents) - len(outcome.kept)
        self.notes += [f"the job's language stage removes {gone:,} of {len(documents):,} documents before the rules see them"] if gone else []
        return outcome.kept

    def each(self, documents: pa.Table) -> tuple[pa.Table, pa.ChunkedArray]:
        """All documents with their languages, and the reason for which the language stage removes each (null: it stays)."""
        if not self.job or self.language is None:
            return self(documents), pa.chunked_array([pa.nulls(len(documents), pa.string())])
        outcome = filter_language(documents.append_column(_ROW, pa.array(range(len(documents)))), self.language)
        rows = pa.concat_tables([outcome.kept, outcome.removed], promote_options="default").sort_by(_ROW)
        return rows.select([*documents.column_names]), rows["reason"]


def seen_by(job: LoadedJob) -> SeenLanguages:
    """What the rules of a job see: its language stage counts where it stands before them."""
    stages = job.stages
    first = "language" in stages and "rules" in stages and stages.index("language") < stages.index("rules")
    return SeenLanguages(job.packs, True, job.settings.language if first else None)
