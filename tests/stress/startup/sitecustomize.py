"""Apply a defect before a Python process imports anything else, workers included.

Python imports this file at startup, because ``mutations`` puts its folder on ``PYTHONPATH``.
"""

import os

from tests.stress import defects

defects.apply(os.environ[defects.VARIABLE])
