"""report.html: the whole build on one page that needs no network, for those who decide and those who check."""
