"""Gates: what a build measured, held against budgets and against another revision; noise does not close them."""
