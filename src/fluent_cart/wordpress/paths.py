"""The paths of the API and of the pages next to it, as WordPress names them."""

ROOT = "/wp-json"
NAMESPACE = "fluent-cart/v2"
PREFIX = f"{ROOT}/{NAMESPACE}/customers"
# The contract's examples use v1, so the same routes serve it.
EXAMPLES_NAMESPACE = "fluent-cart/v1"
EXAMPLES_PREFIX = f"{ROOT}/{EXAMPLES_NAMESPACE}/customers"

# Pages for people, and the routes of their forms.
LOGIN = "/wp-login.php"
AJAX = "/wp-admin/admin-ajax.php"
DASHBOARD = "/wp-admin"
PROFILE = "/wp-admin/profile.php"
AUTHORIZE = "/wp-admin/authorize-application.php"
USERS = "/wp-admin/users.php"
