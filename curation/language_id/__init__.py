"""fastText's language identification over Arrow buffers, each distinct word computed once."""
