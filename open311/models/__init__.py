"""Tables of the service, a file per noun."""

from open311.models.account import Account, AccountGrant, AccountSession, StaffChange
from open311.models.api_key import ApiKey, ApiKeyGrant
from open311.models.article import Article
from open311.models.casework import CaseStatus, CaseworkChange, ClosingReason, Ladder, MessageText, PhasePlan, ServiceTarget
from open311.models.crest import Crest
from open311.models.jurisdiction import Jurisdiction
from open311.models.media import Media
from open311.models.message import Follower, Message, Verdict
from open311.models.person_use import PersonUse
from open311.models.reporter import Reporter
from open311.models.request import RequestDistrict, RequestEvent, ServiceRequest
from open311.models.saved_query import SavedQuery
from open311.models.scorecard import ScorecardCell, ScorecardFact, ScorecardRun
from open311.models.service import Service, ServiceAttribute
from open311.models.webhook import Webhook
from open311.models.work import Alert, RequestClock, RequestPause, RequestPhase, RequestUpdate, UpdateReporter

__all__ = [
    "Account",
    "AccountGrant",
    "AccountSession",
    "Alert",
    "ApiKey",
    "ApiKeyGrant",
    "Article",
    "CaseStatus",
    "CaseworkChange",
    "ClosingReason",
    "Crest",
    "Follower",
    "Jurisdiction",
    "Ladder",
    "Media",
    "Message",
    "MessageText",
    "PersonUse",
    "PhasePlan",
    "Reporter",
    "RequestClock",
    "RequestDistrict",
    "RequestEvent",
    "RequestPause",
    "RequestPhase",
    "RequestUpdate",
    "SavedQuery",
    "ScorecardCell",
    "ScorecardFact",
    "ScorecardRun",
    "Service",
    "ServiceAttribute",
    "ServiceRequest",
    "ServiceTarget",
    "StaffChange",
    "UpdateReporter",
    "Verdict",
    "Webhook",
]
