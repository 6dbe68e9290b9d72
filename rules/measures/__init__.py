"""Signals: numbers that a text has, and the counts that they are made of."""
