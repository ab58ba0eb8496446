"""What surrounds a stage and would otherwise change its results: variables, installed packages, the processor."""
