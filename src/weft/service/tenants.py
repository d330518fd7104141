"""The Tenants service: one site with one tenant, described as clients need it to start.

``base_url`` is the address that the client used, since clients look for their tenant by comparing it letter by letter.
"""

from __future__ import annotations

from typing import Any

from weft.service.answers import Answer, Problem
from weft.service.asking import Ask
from weft.service.routes import absent, operation

_SERVICES = ["tenants", "authenticator", "tokens", "systems", "apps", "files", "jobs"]
_OWNER = "owner@localhost"
_FIXED = "the service has one site and one tenant, which are set when it is started"
_NO_LDAP = "users are kept in a file of the service, not in an LDAP"


def list_sites(ask: Ask) -> Answer:
    return Answer(ask.page([_site(ask)]), "Sites retrieved successfully.")


def get_site(ask: Ask) -> Answer:
    if ask.path["site_id"] != ask.service.settings.site:
        raise Problem(404, f"TENANTS_NOT_FOUND There is no site {ask.path['site_id']}")
    return Answer(_site(ask), "Site retrieved successfully.")


def list_tenants(ask: Ask) -> Answer:
    return Answer(ask.page([_tenant(ask)]), "Tenants retrieved successfully.")


def get_tenant(ask: Ask) -> Answer:
    _known(ask)
    return Answer(_tenant(ask), "Tenant retrieved successfully.")


def get_tenant_history(ask: Ask) -> Answer:
    _known(ask)
    return Answer([], "Tenant history retrieved successfully.")


def list_ldaps(ask: Ask) -> Answer:
    return Answer(ask.page([]), "LDAPs retrieved successfully.")


def list_owners(ask: Ask) -> Answer:
    return Answer(ask.page([_owner()]), "Owners retrieved successfully.")


def get_owner(ask: Ask) -> Answer:
    if ask.path["email"] != _OWNER:
        raise Problem(404, f"TENANTS_NOT_FOUND There is no owner {ask.path['email']}")
    return Answer(_owner(), "Owner retrieved successfully.")


def _known(ask: Ask) -> None:
    if ask.path["tenant_id"] != ask.service.tenant:
        raise Problem(404, f"TENANTS_NOT_FOUND There is no tenant {ask.path['tenant_id']}")


def _site(ask: Ask) -> dict[str, Any]:
    return {
        "site_id": ask.service.settings.site,
        "base_url": ask.base,
        "primary": True,
        "services": _SERVICES,
        "tenant_base_url_template": ask.base,
        "site_admin_tenant_id": ask.service.tenant,
    }


def _tenant(ask: Ask) -> dict[str, Any]:
    return {
        "tenant_id": ask.service.tenant,
        "base_url": ask.base,
        "site_id": ask.service.settings.site,
        "status": "active",
        "public_key": ask.service.tokens.public_key,
        "token_service": f"{ask.base}/v3/tokens",
        "security_kernel": f"{ask.base}/v3/security",
        "authenticator": f"{ask.base}/v3/oauth2",
        "owner": _OWNER,
        "admin_user": "admin",
        "token_gen_services": ["authenticator"],
        "description": "A Tapis service on this machine.",
        "created_by": "weft@local",
        "last_updated_by": "weft@local",
        "create_time": None,
        "last_update_time": None,
        "service_ldap_connection_id": None,
        "user_ldap_connection_id": None,
    }


def _owner() -> dict[str, Any]:
    return {
        "name": "Owner of this service",
        "email": _OWNER,
        "institution": "this machine",
        "create_time": None,
        "last_update_time": None,
    }


OPERATIONS = (
    operation("tenants", "list_sites", "GET", "/v3/sites", list_sites, open_to_all=True),
    absent("tenants", "create_site", "POST", "/v3/sites", _FIXED),
    operation("tenants", "get_site", "GET", "/v3/sites/{site_id}", get_site, open_to_all=True),
    absent("tenants", "delete_site", "DELETE", "/v3/sites/{site_id}", _FIXED),
    operation("tenants", "list_tenants", "GET", "/v3/tenants", list_tenants, open_to_all=True),
    absent("tenants", "create_tenant", "POST", "/v3/tenants", _FIXED),
    operation("tenants", "list_ldaps", "GET", "/v3/tenants/ldaps", list_ldaps),
    absent("tenants", "create_ldap", "POST", "/v3/tenants/ldaps", _NO_LDAP),
    absent("tenants", "get_ldap", "GET", "/v3/tenants/ldaps/{ldap_id}", _NO_LDAP),
    absent("tenants", "delete_ldap", "DELETE", "/v3/tenants/ldaps/{ldap_id}", _NO_LDAP),
    operation("tenants", "list_owners", "GET", "/v3/tenants/owners", list_owners),
    absent("tenants", "create_owner", "POST", "/v3/tenants/owners", _FIXED),
    operation("tenants", "get_owner", "GET", "/v3/tenants/owners/{email}", get_owner),
    absent("tenants", "delete_owner", "DELETE", "/v3/tenants/owners/{email}", _FIXED),
    operation("tenants", "get_tenant", "GET", "/v3/tenants/{tenant_id}", get_tenant, open_to_all=True),
    absent("tenants", "update_tenant", "PUT", "/v3/tenants/{tenant_id}", _FIXED),
    operation("tenants", "get_tenant_history", "GET", "/v3/tenants/{tenant_id}/history", get_tenant_history),
)
