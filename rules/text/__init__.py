"""Text as kernels read it: how they are compiled, bytes and masks, characters, and tables of hashes."""
