"""What a model knows: loss on held-out text by where it comes from, and tasks with right answers."""
