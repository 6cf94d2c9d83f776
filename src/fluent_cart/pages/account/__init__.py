"""The pages of a user's own account, at WordPress' own addresses.

See docs/decisions.md#152-account-pages, #153-authorization-of-applications, #154-addresses-of-applications
and #155-change-of-the-login-password.
"""

from fastapi import APIRouter

from fluent_cart.pages.account import authorization, profile, user_list

ROUTERS: tuple[APIRouter, ...] = (profile.router, authorization.router, user_list.router)
