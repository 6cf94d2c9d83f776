"""The OpenAPI document, and the other descriptions of the API."""
