"""Raw files to clean, packed, explained shards. Importing this package loads nothing heavy."""
