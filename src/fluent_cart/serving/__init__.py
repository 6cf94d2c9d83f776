"""What `fluent-cart serve` adds to uvicorn: the protocol of connections, and the life of its processes."""
