"""`gristmill convert`: other tools' configurations become a job and packs, and what has no equal is said."""
