"""The OpenAPI document, and what the API says about itself."""
