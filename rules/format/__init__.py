"""Packs as files: reading them with every mistake at its line, examples, evidence, the editor's schema."""
