"""Does a clean clone of a commit, built again, give what its dvc.lock says?

verify ──> clone ──> rebuild ──> compare ──> committed, locate, tolerance ──> cause ──> report
quick: the same question without executing anything
"""
