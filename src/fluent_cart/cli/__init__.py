"""The command line, ``fluent-cart``."""

from fluent_cart.cli.main import main

__all__ = ["main"]
