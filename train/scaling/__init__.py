"""Scaling laws: grids of small runs, the laws fitted to them, and what these say at a larger budget."""
