"""Widgets of the inspector: a document of any size, a histogram with a threshold, a table of any length."""
