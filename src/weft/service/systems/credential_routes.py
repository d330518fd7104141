"""The operations on credentials: register, check, remove; secrets go in and never come out."""

from __future__ import annotations

from typing import get_args

from weft.service.answers import Answer, Problem
from weft.service.asking import Ask
from weft.service.register_routes import user_named
from weft.service.routes import absent, operation
from weft.service.systems.credentials import complaints
from weft.service.systems.model import AuthnMethod, Credential, System
from weft.service.systems.register import Systems

NO_GLOBUS = (
    "systems of the type GLOBUS are reached through Globus's own service, which is not on this machine"
)


def method_named(ask: Ask) -> str | None:
    """The way to log in that the request is about, if it names one."""
    return ask.choice("authnMethod", "", get_args(AuthnMethod)) if ask.text("authnMethod") else None


def create_user_credential(ask: Ask) -> Answer:
    """A host here is either this machine or a stand-in: what is registered needs no trial to be taken."""
    systems, target = ask.service.systems, user_named(ask)
    tms = ask.flag("createTmsKeys")
    ask.flag("skipCredentialCheck")
    credential = ask.body(Credential, empty_as=Credential(), drop_nulls=True)
    system = _permitted(ask, target)
    wrong = [*complaints(credential), *_unsuitable(system, credential, tms=tms)]
    if wrong:
        what = f"The credential is not valid: {'; '.join(wrong)}"
        raise Problem(400, f"SYSAPI_CRED_VALID_FAIL {what}. System: {system.id} User: {target}")
    with systems.database.writing() as connection:
        systems.shelf.versions(connection, system.tenant, system.id)  # two at once: one after the other
        systems.credentials.keep(connection, system, target, credential, systems.clock.stamp(), tms=tms)
        systems.record(connection, ask.user, system, "SET_CRED", {"user": target})
    return Answer(None, f"SYSAPI_CRED_UPDATED Credential updated. System: {system.id} User: {target}")


def _unsuitable(system: System, credential: Credential, *, tms: bool) -> list[str]:
    wrong = []
    if credential.login_user and not system.is_dynamic:
        wrong.append("loginUser: cannot be given where effectiveUserId is static")
    if tms and not system.is_dynamic:
        wrong.append("createTmsKeys: needs an effectiveUserId that is dynamic")
    if tms and credential.login_user:
        wrong.append("loginUser: cannot be given with createTmsKeys")
    return wrong


def check_user_credential(ask: Ask) -> Answer:
    systems, target, method = ask.service.systems, user_named(ask), method_named(ask)
    system = _permitted(ask, target)
    usable = systems.usable_by(system, target, method)
    if usable is None:
        raise _not_found(system, target)
    if not usable:
        what = f"Credential validation failed. System: {system.id} User: {target} AuthnMethod: {method}"
        raise Problem(400, f"SYSAPI_CRED_VALID_FAIL {what}")
    return Answer(None, f"SYSAPI_CRED_OK Credential validation succeeded. System: {system.id} User: {target}")


def get_user_credential(ask: Ask) -> Answer:
    """Which way to log in there is, and as whom; the secrets themselves are for the service alone."""
    systems, target, method = ask.service.systems, user_named(ask), method_named(ask)
    system = _permitted(ask, target)
    kind = method or system.default_authn_method
    with systems.database.reading() as connection:
        held = systems.credentials.told(connection, system, target)
    if held is None or kind not in held.methods:
        raise _not_found(system, target)
    result = {"authnMethod": kind, "loginUser": held.login_user, **dict.fromkeys(_SECRETS)}
    return Answer(result, f"SYSAPI_CRED_FOUND Record found. System: {system.id} User: {target}")


def remove_user_credential(ask: Ask) -> Answer:
    systems, target = ask.service.systems, user_named(ask)
    system = _permitted(ask, target)
    with systems.database.writing() as connection:
        if systems.credentials.remove(connection, system, target):
            systems.record(connection, ask.user, system, "REMOVE_CRED", {"user": target})
    return Answer(None, f"SYSAPI_CRED_DELETED Credential removed. System: {system.id} User: {target}")


_SECRETS = (
    "password",
    "privateKey",
    "publicKey",
    "accessKey",
    "accessSecret",
    "accessToken",
    "refreshToken",
    "tmsPrivateKey",
    "tmsPublicKey",
    "tmsFingerprint",
    "certificate",
)


def _permitted(ask: Ask, target: str) -> System:
    """The system, where the user may manage the credentials of `target`.

    Raises:
        Problem: 404 where there is none that the user may read; 403 unless the user owns it, or asks for himself and
            the effective user is dynamic.
    """
    systems: Systems = ask.service.systems
    view = systems.view(ask.user, ask.tenant, ask.path["systemId"])
    own = target == ask.user and view.definition.is_dynamic
    if not (own or view.rights.owner):
        raise systems.denied(view.definition.id, "setCred")
    return view.definition


def _not_found(system: System, target: str) -> Problem:
    return Problem(404, f"SYSAPI_CRED_NOT_FOUND Record not found. System: {system.id} User: {target}")


_BASE = "/v3/systems/credential/{systemId}"
_USER = f"{_BASE}/user/{{userName}}"

OPERATIONS = (
    operation("systems", "getUserCredential", "GET", _USER, get_user_credential),
    operation("systems", "createUserCredential", "POST", _USER, create_user_credential),
    operation("systems", "removeUserCredential", "DELETE", _USER, remove_user_credential),
    operation("systems", "checkUserCredential", "POST", f"{_USER}/check", check_user_credential),
    absent("systems", "getGlobusAuthUrl", "GET", f"{_BASE}/globus/authUrl", NO_GLOBUS),
    absent(
        "systems",
        "generateGlobusTokens",
        "POST",
        f"{_USER}/globus/tokens/{{authCode}}/{{sessionId}}",
        NO_GLOBUS,
    ),
)
