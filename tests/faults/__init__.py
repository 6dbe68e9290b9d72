"""Runs of gristmill that are killed, starved and lied to, and must end with the bytes of a run that was left alone."""
