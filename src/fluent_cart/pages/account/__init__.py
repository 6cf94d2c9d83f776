"""The pages of one's own account, at WordPress' own addresses (decisions 152-158)."""

from fastapi import APIRouter

from fluent_cart.pages.account import authorization, profile, user_list

ROUTERS: tuple[APIRouter, ...] = (profile.router, authorization.router, user_list.router)
