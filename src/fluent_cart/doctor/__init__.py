"""What may be wrong with an installation, each finding in plain words and with what helps.

See docs/decisions.md#93-doctor.
"""

from fluent_cart.doctor.examination import run_checks
from fluent_cart.doctor.findings import Finding, Severity

__all__ = ["Finding", "Severity", "run_checks"]
