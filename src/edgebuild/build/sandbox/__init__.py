"""Executing a stage where only what it declares exists: what it may see, how the rest is hidden, who broke the rule."""
