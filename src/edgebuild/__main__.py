"""``python -m edgebuild`` is the ``edgebuild`` command."""

import sys

from edgebuild.cli import main

sys.exit(main())
