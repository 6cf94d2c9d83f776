"""The paths of the API, as WordPress names them: the REST root, a namespace, the resource."""

ROOT = "/wp-json"
NAMESPACE = "fluent-cart/v2"
PREFIX = f"{ROOT}/{NAMESPACE}/customers"
# The contract's examples say v1, so the same routes answer there.
EXAMPLES_NAMESPACE = "fluent-cart/v1"
EXAMPLES_PREFIX = f"{ROOT}/{EXAMPLES_NAMESPACE}/customers"
