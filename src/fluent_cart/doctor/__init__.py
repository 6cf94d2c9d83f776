"""What may be wrong with an installation, each finding in plain words and with what helps (decision 93)."""

from fluent_cart.doctor.examination import examine
from fluent_cart.doctor.findings import Finding, State

__all__ = ["Finding", "State", "examine"]
