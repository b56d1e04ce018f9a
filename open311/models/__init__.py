"""Tables of the service, a file per noun."""

from open311.models.account import Account, AccountGrant, AccountSession
from open311.models.api_key import ApiKey, ApiKeyGrant
from open311.models.jurisdiction import Jurisdiction
from open311.models.media import Media
from open311.models.reporter import Reporter
from open311.models.request import RequestDistrict, RequestEvent, ServiceRequest
from open311.models.service import Service, ServiceAttribute

__all__ = [
    "Account",
    "AccountGrant",
    "AccountSession",
    "ApiKey",
    "ApiKeyGrant",
    "Jurisdiction",
    "Media",
    "Reporter",
    "RequestDistrict",
    "RequestEvent",
    "Service",
    "ServiceAttribute",
    "ServiceRequest",
]
