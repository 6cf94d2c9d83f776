"""The tables as Django's models. The migrations of the server created them."""

from django.db import models


class User(models.Model):
    login_key = models.CharField(max_length=180)
    email_key = models.CharField(max_length=255)
    role = models.CharField(max_length=60)
    is_authenticated = True

    class Meta:
        managed = False
        db_table = "users"


class ApplicationPassword(models.Model):
    user = models.ForeignKey(User, models.CASCADE)
    password_hash = models.CharField(max_length=255)

    class Meta:
        managed = False
        db_table = "application_passwords"


class Customer(models.Model):
    email = models.CharField(max_length=255)
    first_name = models.CharField(max_length=255, default="")
    last_name = models.CharField(max_length=255, default="")
    phone = models.CharField(max_length=50, null=True)
    status = models.CharField(max_length=20, default="active")
    user_id = models.BigIntegerField(null=True)
    additional_info = models.JSONField(default=dict)
    total_spent = models.BigIntegerField(default=0)
    order_count = models.BigIntegerField(default=0)
    email_key = models.CharField(max_length=255)
    first_name_key = models.CharField(max_length=255)
    last_name_key = models.CharField(max_length=255)
    phone_key = models.CharField(max_length=255)
    mailbox_key = models.CharField(max_length=255)
    search_text = models.TextField()
    # The server keeps times on SQLite as the text that the API answers.
    created_at = models.CharField(max_length=20)
    updated_at = models.CharField(max_length=20)

    class Meta:
        managed = False
        db_table = "customers"


class Address(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="addresses")
    type = models.CharField(max_length=20)
    is_primary = models.BooleanField()
    first_name = models.CharField(max_length=255)
    last_name = models.CharField(max_length=255)
    company_name = models.CharField(max_length=255, null=True)
    address_1 = models.CharField(max_length=255)
    address_2 = models.CharField(max_length=255, null=True)
    city = models.CharField(max_length=100)
    state = models.CharField(max_length=100)
    postcode = models.CharField(max_length=32)
    country = models.CharField(max_length=2)
    phone = models.CharField(max_length=50, null=True)

    class Meta:
        managed = False
        db_table = "customer_addresses"
        ordering = ("id",)
