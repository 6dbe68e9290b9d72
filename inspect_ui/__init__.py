"""Inspection: look at documents, find the pattern, write the rule, see what it does.

session.py computes everything that a screen shows and knows no screen; app.py and its screens show it; cli.py prints it.
"""
