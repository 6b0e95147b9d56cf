"""The parts of identity and access, put together: what other services ask when they decide who may do what."""

from __future__ import annotations

from localcloud.clock import Clock
from localcloud.iam.access import Access
from localcloud.iam.accounts import Accounts
from localcloud.iam.credentials import IamCredentials
from localcloud.iam.policies import Policies
from localcloud.iam.roles import Roles
from localcloud.iam.service import IamService
from localcloud.settings import Settings
from localcloud.store import Store
from localcloud.tokens import Tokens


class Identity:
    """Accounts, roles and policies of one instance, and the services in front of them."""

    def __init__(self, settings: Settings, store: Store, clock: Clock, tokens: Tokens) -> None:
        """Build the parts on the stored state."""
        roles = Roles(settings, store)
        accounts = Accounts(settings, store, tokens.unique_id(settings.service_account_email))
        self.policies = Policies(store, accounts.exists, roles.can_be_bound)
        self.access = Access(settings, self.policies, roles)
        self.services = {
            ("iam", "v1"): IamService(settings, accounts, roles, self.policies, self.access, store=store),
            ("iamcredentials", "v1"): IamCredentials(accounts, self.access, tokens, clock),
        }
