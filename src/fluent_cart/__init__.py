"""The FluentCart Customers API as a FastAPI server."""

__version__ = "0.1.0"
