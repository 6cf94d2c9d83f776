"""What gunicorn serves; ``BENCHMARK_URLS`` says which of the two arms it is."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
