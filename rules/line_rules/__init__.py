"""Rules for lines: where lines are and what they measure, which ones a rule acts on, what it makes of them."""
