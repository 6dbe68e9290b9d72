"""Patterns: what RE2 need not look at, told by byte strings, automata and the ends of lines."""
