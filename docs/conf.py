"""The documentation's settings: ``make docs`` builds it with Sphinx, MyST and Furo, offline, warnings as errors."""

from __future__ import annotations

project = "edgebuild"
html_title = "edgebuild"
extensions = ["myst_parser", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
# Fenced dollar signs are prompts, not formulas; headings can be linked to as on a forge.
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# ```console blocks copy without their prompt and without what was printed.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

html_theme = "furo"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False
html_last_updated_fmt = None  # the same bytes for everyone
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["site"]
html_css_files = ["site.css"]
