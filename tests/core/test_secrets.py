"""Messages without their secrets: what looks like one is masked, and everything else stays as it was."""

from __future__ import annotations

import pytest

from weft.core.secrets import MASK, masked, masked_address

# Put together here, so that no scanner of sources takes them for real ones.
JWT = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9" + ".eyJqdGkiOiIxMjM0NTY3ODkwIn0" + ".c2lnbmF0dXJl_X-9"
HEX = "9f86d081884c7d65" * 4
BASE64 = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"
GITHUB = "gh" + "p_" + "a1B2c3D4e5" * 4


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("fatal: unable to access 'https://ada:hunter2@git.example.org/a.git/': 403", "hunter2"),
        ("postgresql://weft:p@ss:word@db:5432/weft refused the connection", "p@ss:word"),
        (f"fatal: could not read https://{GITHUB}@git.example.org/a.git", GITHUB),
        (f"remote: {GITHUB} has expired", GITHUB),
        ("GET https://host/file?part=3&token=abc123&x=1: 403 Forbidden", "abc123"),
        ("curl: (22) https://host/a?api_key=k1 returned error 401", "k1"),
        ("https://bucket.example.org/x?X-Amz-Signature=fe5f80&X-Amz-Expires=60", "fe5f80"),
        ("https://account.example.org/x?sv=2024&sig=a%2Bb%3D", "a%2Bb%3D"),
        (f"401 for header X-Tapis-Token: {JWT}", JWT),
        (f"the token was {JWT[:60]}", JWT[:60]),
        (f"export TAPIS_TOKEN={HEX}", HEX),
        (f"AWS_SECRET_ACCESS_KEY={BASE64}", BASE64),
        (f'{{"clientSecret": "{BASE64}", "name": "a"}}', BASE64),
        (f"invalid api key {HEX[:32]}", HEX[:32]),
        (f"the key is '{BASE64}'", BASE64),
        ("Authorization: Basic YWRhOmh1bnRlcjI=", "YWRhOmh1bnRlcjI="),
        (f"Authorization: Bearer {HEX}", HEX),
        ("token 1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed is not valid", "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"),
        ("mysql --user=ada --password=hunter2 --host=db", "hunter2"),
        ("DB_PASSWORD='open sesame' ./model", "open sesame"),
        ('login failed: {"username": "ada", "password": "open sesame"}', "open sesame"),
        ("Password: hunter2", "hunter2"),
        (
            f"-----BEGIN RSA PRIVATE KEY-----\n{BASE64}\n{HEX}\n-----END RSA PRIVATE KEY-----\nend",
            f"{BASE64}\n{HEX}",
        ),
        (f"-----BEGIN OPENSSH PRIVATE KEY-----\n{BASE64}", BASE64),
    ],
)
def test_secrets_are_masked_and_the_rest_stays(text: str, secret: str) -> None:
    said = masked(text)
    before, _, after = text.partition(secret)
    assert secret not in said
    assert MASK in said
    assert said.startswith(before[:10])
    assert said.endswith(after[-10:])
    assert masked(said) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "it is over",
        "Job 1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed-007 failed: TAPIS_JOB_CANCELLED",
        "case 9f86d081884c7d65 of portal-ab12cd-0005 ran out of time",
        "sha256 of model.tcl: " + HEX,
        "https://portals.example.org/jobs/1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed?page=2&limit=100",
        "tapis://designsafe.storage.default/ada/inputs/mesh-2026.zip",
        "http://127.0.0.1:8080/v3/jobs answered 500, ask ada@example.org",
        "ssh://git@github.com/a/b.git",
        "KeyError: 'displacement_at_node_1234567'",
        "Load key \"/home/ada/.ssh/id_ed25519_stampede3\": Permission denied",
        "NoSuchKey: the specified key does not exist: key=outputs/2026/run1/result.zip",
        "parser: unexpected token '}' in line 12",
        "SyntaxError: Unexpected token: EOF",
        "invalid token=; expected a number",
        "the key portal-ab12cd-0005 is twice in the table",
        "sudo: a password is required",
        "Enter password: incorrect, try again",
        "Password:\nPermission denied, please try again",
        "PWD=/scratch/06789/ada/portal-0001/case-0007",
        "Basic authentication failed; the secret life of trusses",
        "slurmstepd: error: *** JOB 4711 ON c501-001 CANCELLED AT 2026-05-28T12:00:00 DUE TO TIME LIMIT ***",
        "keyword KeyframeInterpolation is not known",
    ],
)  # fmt: skip
def test_ordinary_messages_stay_as_they_are(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ada:hunter2@host/a.zip", "https://ada:***@host/a.zip"),
        ("https://host/a.zip?sig=a%2Bb%3D&part=1", "https://host/a.zip?sig=***&part=1"),
        (f"tapis://storage/ada/key-{HEX}/mesh.zip", f"tapis://storage/ada/key-{HEX}/mesh.zip"),
        ("tapis://storage/ada/what?.zip", "tapis://storage/ada/what?.zip"),
    ],
)
def test_addresses_keep_their_places(url: str, shown: str) -> None:
    assert masked_address(url) == shown


@pytest.mark.parametrize("piece", ["a-", "key=a1", "token \n", "?a=&", '"password":', "//a:"])
def test_a_long_message_is_masked_in_no_time(piece: str) -> None:
    assert masked(piece * 20_000)
