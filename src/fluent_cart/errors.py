"""Every error that a response can have: its status, its code, its text, and when it happens.

Services raise them, and ``http.error_handlers`` turns them into the envelope. A text names the error, then
what to do. It never repeats the input, except the id of something that was not found.

See docs/decisions.md#4-error-responses.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

Details = Mapping[str, list[str]]


class ApiError(Exception):
    """A response with an error: an HTTP status, a documented code and a text for people.

    ``when`` is for the docs page: the situations of the error, in Markdown.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    text: ClassVar[str]
    when: ClassVar[str]

    def __init__(
        self,
        message: str | None = None,
        *,
        details: Details | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message or self.text)
        self.message = message or self.text
        self.details = details
        self.headers = dict(headers or {})
        # For programs, next to the status.
        self.data: dict[str, Any] = {}

    @property
    def reason(self) -> dict[str, Any]:
        """The message of the error, the same in every response."""
        return {
            "code": self.code,
            "message": self.message,
            **({} if self.details is None else {"details": self.details}),
        }


class RetryableError(ApiError):
    """An error after which the same request may succeed later."""

    def __init__(self, retry_after: int = 1) -> None:
        """Set the seconds after which to try again."""
        super().__init__(headers={"Retry-After": str(retry_after)})


class AuthenticationRequired(ApiError):
    status, code = 401, "authentication_required"
    text = "Authentication is required: send an application password with HTTP Basic"
    when = "The request has no credentials, or a header that is not HTTP Basic"


class AuthenticationFailed(ApiError):
    # One text for every cause, because the text must not show which accounts exist.
    status, code = 401, "authentication_failed"
    text = "The user name or the application password is not correct"
    when = "The name or the application password is wrong, or the password was revoked"


class InsufficientPermissions(ApiError):
    status, code = 403, "insufficient_permissions"
    text = "You do not have permission to do this"
    when = "The user has signed in, but lacks the permission"


class CrossSiteRequest(ApiError):
    status, code = 403, "cross_site_request"
    text = "A page of another site sent this request. Send it from this site, or from a program"
    when = "A browser sent a write for another site, with the password that it remembers"


class InvalidNonce(ApiError):
    status, code = 403, "rest_cookie_invalid_nonce"
    text = "The nonce is invalid or has expired. Request a new one"
    when = "The request has the cookie, but its nonce has expired or belongs to another session"


class CustomerNotFound(ApiError):
    status, code = 404, "customer_not_found"
    text = "Customer not found"
    when = "No customer has this id"

    def __init__(self, customer_id: int | None = None) -> None:
        """Name the customer's id, unless it is too long."""
        super().__init__(None if customer_id is None else f"Customer with ID {customer_id} not found")


class AddressNotFound(ApiError):
    status, code = 404, "address_not_found"
    text = "Address not found"
    when = "The customer has no address with this id"

    def __init__(self, address_id: int) -> None:
        super().__init__(f"Address with ID {address_id} not found")


class RouteNotFound(ApiError):
    status, code = 404, "rest_no_route"
    text = "No route was found matching the URL and request method"
    when = "No route has this address"


class MethodNotAllowed(ApiError):
    status, code = 405, "rest_no_route"
    text = "This route does not support the request method"
    when = "The address exists, but not with this method. `Allow` names its methods"


class CustomerMerged(ApiError):
    status, code = 410, "customer_merged"
    text = "The customer was merged into another customer. Use the ID survivor_id"
    when = "The customer was merged into another one, whose id is `data.survivor_id`"

    def __init__(self, customer_id: int | None = None, survivor_id: int | None = None) -> None:
        """Name both ids, unless they are not known."""
        text = f"Customer with ID {customer_id} was merged into customer {survivor_id}. Use that ID"
        super().__init__(text if customer_id else None)
        if survivor_id:
            self.data = {"survivor_id": survivor_id}


class CursorExpired(ApiError):
    status, code = 410, "cursor_expired"
    text = (
        "The changes after this cursor are not stored any more. Read the whole list, then the changes from "
        "now on"
    )
    when = "The changes after this cursor are not stored any more, or the shop was restored from a backup"


class InvalidRequest(ApiError):
    status, code = 400, "validation_error"
    text = "The request is not valid HTTP/1.1"
    when = "The bytes of the request are not HTTP/1.1"


class RequestTimeout(ApiError):
    status, code = 408, "request_timeout"
    text = "The request did not arrive in time. Send it again"
    when = "The headers took over 10 seconds to arrive, or the body over 15"


class HeadersTooLarge(ApiError):
    status, code = 431, "headers_too_large"
    text = "The request's address and headers are larger than 64 KiB"
    when = "The address and the headers are larger than 64 KiB"


class UnreadableBody(ApiError):
    status, code = 400, "validation_error"
    text = "The request body is not readable JSON or form data"
    when = "The body does not match its `Content-Type`, or the query is not UTF-8"


class IdempotencyKeyInUse(RetryableError):
    status, code = 409, "idempotency_key_in_use"
    text = "A request with this idempotency key is running. Try again later"
    when = "The first request with this `Idempotency-Key` is still running"


class PreconditionFailed(ApiError):
    status, code = 412, "precondition_failed"
    text = "The customer does not meet the condition of If-Match or If-None-Match. Read the customer again"
    when = (
        "The customer was changed meanwhile, so that the condition of `If-Match` or `If-None-Match` "
        "does not hold"
    )


class PayloadTooLarge(ApiError):
    status, code = 413, "payload_too_large"
    text = "The request body is larger than 1 MiB"
    when = "The body is larger than 1 MiB"


class UnsupportedMediaType(ApiError):
    status, code = 415, "unsupported_media_type"
    text = "Send the request body as JSON or as application/x-www-form-urlencoded, in UTF-8"
    when = "The body is neither JSON nor form data, or not in UTF-8"


class InvalidEmail(ApiError):
    status, code = 422, "invalid_email"
    text = "The email address is invalid or already exists"
    when = "Another customer has this e-mail address, or it is not an e-mail address"


class InvalidUser(ApiError):
    status, code = 422, "invalid_user"
    text = "The WordPress user does not exist or cannot be attached to this customer"
    when = "The user does not exist or belongs to another customer"


class IdempotencyKeyReused(ApiError):
    status, code = 422, "idempotency_key_reused"
    text = "The idempotency key was sent with another request before. Use a new key for each request"
    when = "The same `Idempotency-Key` was sent with other input before"


class ValidationFailed(ApiError):
    status, code = 422, "validation_error"
    text = "Request data validation failed"
    when = "A field or a header is missing, unknown or out of range. `error.details` has texts for each field"


class TooManyRequests(RetryableError):
    status, code = 429, "rate_limited"
    text = "Too many requests"
    when = "The user's bucket of requests is empty"


class TooManyAttempts(RetryableError):
    status, code = 429, "too_many_attempts"
    text = "Too many wrong passwords for this user name or from this address. Try again later"
    when = "Too many wrong passwords came for this name or from this address"


class InternalError(ApiError):
    status, code = 500, "internal_error"
    text = "Something went wrong on our side"
    when = "A defect of the server. Its log has the details under the `X-Request-Id` of the response"


class ServiceUnavailable(RetryableError):
    status, code = 503, "service_unavailable"
    text = "The database is busy or not available. Try again"
    when = "The database is busy or not available. Nothing was changed"


class MigrationNeeded(ServiceUnavailable):
    text = (
        "The database is not at the migration of this version. Run fluent-cart migrate,"
        " or install the version that migrated the database"
    )


class ServerStopping(ServiceUnavailable):
    text = "The server is stopping"
