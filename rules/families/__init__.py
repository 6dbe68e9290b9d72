"""Signals of other projects by their own definitions, each with its kernels: data-juicer, datamap, dolma, Llama 3, NeMo Curator."""
