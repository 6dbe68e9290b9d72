"""The stages of a run, one file each: pure functions over Arrow columns and arrays that know nothing of shards."""
