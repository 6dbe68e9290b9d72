"""What a rule is, what it measures, and what it decides. Importing this package loads nothing heavy."""
