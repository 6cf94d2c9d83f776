"""The application for gunicorn. ``BENCHMARK_URLS`` selects one of the two arms."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
