"""The trainer: a Llama-3-style model with grouped-query attention on packed sequences.

`handoff` names the packed format, `loop` is the main path. Nothing heavy is imported here: `import train` costs
microseconds and needs no torch.
"""
