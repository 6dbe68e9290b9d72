"""What a worker process imports before its first task: Ray starts it with this while the run is still planned.

A task would import the same a moment later. Here it costs the run no time on the clock, where a processor is free.
"""

from __future__ import annotations

import curation.near_clusters
import curation.passes
import curation.run_state  # noqa: F401
