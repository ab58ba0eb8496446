"""The data as the stages share it: one split, in memory and on disk."""
