"""Heavy proofs that take minutes: kills, power cuts, floods, hours of load. ``python -m tests.fire``

One module for each family of bars; `make fire` writes what they measured to RESULTS.md.
"""
