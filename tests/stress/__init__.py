"""Heavy proofs that take minutes: kills, power cuts, floods, hours of load. ``python -m tests.stress``

One module for each family of guarantees. `make test-stress` writes the measurements to RESULTS.md.
"""
