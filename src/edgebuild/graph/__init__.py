"""The frozen inference graph: its data model, its file, and how to make, run and count it."""
