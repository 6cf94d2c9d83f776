"""Django with nothing that these requests do not need: no session, no middleware, connections kept open."""

import os

from benchmarks.arms import DATABASE

DEBUG = False
SECRET_KEY = "not used: nothing is signed"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["rest_framework", "benchmarks.arms.django_shop"]
MIDDLEWARE: list[str] = []
APPEND_SLASH = False
USE_TZ = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATABASE.removeprefix("sqlite:///"),
        "CONN_MAX_AGE": None,
        # Django's advice for a server: the file's WAL mode is kept, a commit is on disk (FULL).
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 30},
    }
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "benchmarks.arms.django_shop.rest_auth.ApplicationPasswordAuthentication"
    ],
    "DEFAULT_PERMISSION_CLASSES": ["benchmarks.arms.django_shop.rest_auth.CustomerPermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "UNAUTHENTICATED_USER": None,
}

ROOT_URLCONF = os.environ["BENCHMARK_URLS"]
