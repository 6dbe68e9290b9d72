"""The published filters beside gristmill's packs: same texts, same thresholds, verdict against verdict."""
