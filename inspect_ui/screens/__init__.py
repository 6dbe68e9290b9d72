"""Screens of the inspector, one file each: they show what the session returns and compute nothing."""
