"""Every knob of params.yaml: its type, unit, allowed values and meaning, a module for each group of sections.

No knob of a stage has a default here: params.yaml states them all, so the file
is the whole configuration and DVC sees every value. What only some builds have
(budgets, say) may be left out. :func:`read` refuses a file with an unknown key,
a wrong type or an impossible value, all of them at once.
"""

from edgebuild.params.whole import Params, read

__all__ = ["Params", "read"]
