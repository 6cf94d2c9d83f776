"""A Django project over the same tables, for the arms of Django REST Framework and Django Ninja."""
