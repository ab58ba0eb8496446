"""Side-by-side comparisons with other tools: ``python -m bench.compression --help``."""
