"""Check an installation. Each finding has a text in plain words, and advice.

See docs/decisions.md#93-doctor.
"""

from fluent_cart.doctor.examination import run_checks
from fluent_cart.doctor.findings import Finding, Severity

__all__ = ["Finding", "Severity", "run_checks"]
