"""Arguments, environment variables, filters and logs: every input mode, given or not, included or not."""

from __future__ import annotations

from typing import Any

import pytest
from tests.service.jobs.request.made import app, environment, merged, request, system

from weft.service.answers import Problem
from weft.service.jobs.request.limits import SCHEDULER_OPTIONS, SUBSUMED, UNSUPPORTED

ABSENT = None
"""The request does not name the argument."""
MISSING, FIXED = "JOBS_MISSING_ARG", "JOBS_FIXED_ARG_ERROR"

# input mode, the app's value, what the request says: the value in the job, () when it is not there, or the refusal
ARGS: list[tuple[str, str | None, dict[str, Any] | None, str | tuple[()]]] = [
    ("REQUIRED", "of app", ABSENT, "of app"),
    ("REQUIRED", None, ABSENT, MISSING),
    ("REQUIRED", "of app", {"arg": "asked"}, "asked"),
    ("REQUIRED", None, {"arg": "asked"}, "asked"),
    ("REQUIRED", "of app", {"arg": ""}, "of app"),
    ("REQUIRED", None, {"arg": " "}, MISSING),
    ("REQUIRED", "of app", {"arg": "asked", "include": False}, "asked"),
    ("FIXED", "of app", ABSENT, "of app"),
    ("FIXED", "of app", {"arg": "of app"}, "of app"),
    ("FIXED", "of app", {"arg": "of app", "include": False}, "of app"),
    ("FIXED", "of app", {"arg": "asked"}, FIXED),
    ("FIXED", "of app", {"arg": "of app", "notes": {"a": 1}}, FIXED),
    ("INCLUDE_BY_DEFAULT", "of app", ABSENT, "of app"),
    ("INCLUDE_BY_DEFAULT", None, ABSENT, ()),
    ("INCLUDE_BY_DEFAULT", "of app", {"arg": "asked"}, "asked"),
    ("INCLUDE_BY_DEFAULT", "of app", {"arg": "asked", "include": True}, "asked"),
    ("INCLUDE_BY_DEFAULT", "of app", {"arg": "asked", "include": False}, ()),
    ("INCLUDE_ON_DEMAND", "of app", ABSENT, ()),
    ("INCLUDE_ON_DEMAND", None, ABSENT, ()),
    ("INCLUDE_ON_DEMAND", "of app", {"arg": ""}, "of app"),
    ("INCLUDE_ON_DEMAND", "of app", {"arg": "asked"}, "asked"),
    ("INCLUDE_ON_DEMAND", None, {"arg": "asked", "include": True}, "asked"),
    ("INCLUDE_ON_DEMAND", None, {"arg": ""}, MISSING),
    ("INCLUDE_ON_DEMAND", "of app", {"arg": "asked", "include": False}, ()),
]


@pytest.mark.parametrize("kind", ["appArgs", "schedulerOptions"])
@pytest.mark.parametrize(("mode", "value", "asked", "wanted"), ARGS)
def test_arguments_by_input_mode(
    kind: str, mode: str, value: str | None, asked: dict[str, Any] | None, wanted: str | tuple[()]
) -> None:
    defined = {"name": "it", "inputMode": mode, **({} if value is None else {"arg": value})}
    given = request({kind: [{"name": "it", **asked}]} if asked else None)
    if wanted in (MISSING, FIXED):
        with pytest.raises(Problem, match=f"{wanted} .*'it'") as caught:
            merged(given, app({kind: [defined]}))
        assert caught.value.status == 400
        return
    parameters = merged(given, app({kind: [defined]})).parameter_set
    args = parameters.app_args if kind == "appArgs" else parameters.scheduler_options
    assert [arg.arg for arg in args] == ([] if wanted == () else [wanted])


def test_the_apps_arguments_come_first_and_in_its_order() -> None:
    defined = [{"name": name, "arg": f"app-{name}", "inputMode": "INCLUDE_BY_DEFAULT"} for name in "abc"]
    asked = [
        {"arg": "alone"},
        {"name": "c", "arg": "mine"},
        {"name": "z", "arg": "new"},
        {"name": "A", "arg": "other"},
    ]
    args = merged(request({"appArgs": asked}), app({"appArgs": defined})).parameter_set.app_args
    assert [(arg.name, arg.arg) for arg in args] == [
        ("a", "app-a"), ("b", "app-b"), ("c", "mine"), (None, "alone"), ("z", "new"), ("A", "other")
    ]  # fmt: skip


def test_descriptions_are_joined_and_notes_are_text() -> None:
    defined = {"name": "a", "arg": "x", "inputMode": "REQUIRED", "description": "of app", "notes": {"k": 1}}
    asked = {"name": "a", "arg": "y", "description": "of request"}
    (arg,) = merged(request({"appArgs": [asked]}), app({"appArgs": [defined]})).parameter_set.app_args
    assert arg.description == "of app\n\nof request"
    assert arg.notes == '{"k":1}'
    (alone,) = merged(request({"appArgs": [{"arg": "y"}]})).parameter_set.app_args
    assert alone.notes is None and alone.include is None and alone.description is None


def test_macros_in_arguments_are_replaced_softly() -> None:
    asked = {"appArgs": [{"arg": "${JobName} ${HOME}"}], "containerArgs": [{"arg": "--tapis-zip-save"}]}
    assert merged(request(asked)).parameter_set.app_args[0].arg == "first ${HOME}"


@pytest.mark.parametrize("arg", ["a & b", "a;b", "a|b", "a>b", "a<b", "`a`", "a\nb"])
def test_unsafe_characters_in_app_arguments_are_refused(arg: str) -> None:
    with pytest.raises(Problem, match="JOBS_INVALID_INPUT_CHARACTERS"):
        merged(request({"appArgs": [{"arg": arg}]}))


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(Problem, match="JOBS_DUPLICATE_NAMED_ARG"):
        merged(request({"appArgs": [{"name": "a", "arg": "1"}, {"name": "a", "arg": "2"}]}))


def test_zip_apps_take_one_container_argument_only() -> None:
    merged(request({"containerArgs": [{"arg": "--tapis-zip-save"}]}))
    with pytest.raises(Problem, match="JOBS_CONTAINER_UNSUPPORTED_ARG"):
        merged(request({"containerArgs": [{"arg": "--bind /x"}]}))
    container = app(more={"runtime": "SINGULARITY", "runtimeOptions": ["SINGULARITY_RUN"]})
    merged(request({"containerArgs": [{"arg": "--bind /x"}]}), container)
    with pytest.raises(Problem, match="JOBS_CONTAINER_UNSUPPORTED_ARG"):
        merged(request({"containerArgs": [{"arg": "--tapis-zip-save"}]}), container)


# Environment variables

UNSET = "!tapis_not_set"
NO_VALUE, FIXED_ENV = "JOBS_MISSING_ENV_VALUE", "JOBS_FIXED_ENV_VAR_ERROR"

ENV: list[tuple[str, str, dict[str, Any] | None, str | None]] = [
    ("REQUIRED", "of app", ABSENT, "of app"),
    ("REQUIRED", UNSET, ABSENT, NO_VALUE),
    ("REQUIRED", UNSET, {"value": "asked"}, "asked"),
    ("REQUIRED", UNSET, {}, NO_VALUE),
    ("REQUIRED", "of app", {"value": "asked", "include": False}, "asked"),
    ("FIXED", "of app", ABSENT, "of app"),
    ("FIXED", "of app", {"value": "of app"}, "of app"),
    ("FIXED", "of app", {}, "of app"),
    ("FIXED", "of app", {"value": "asked"}, FIXED_ENV),
    ("INCLUDE_BY_DEFAULT", "of app", ABSENT, "of app"),
    ("INCLUDE_BY_DEFAULT", "", ABSENT, ""),
    ("INCLUDE_BY_DEFAULT", UNSET, ABSENT, None),
    ("INCLUDE_BY_DEFAULT", "of app", {"value": "asked"}, "asked"),
    ("INCLUDE_BY_DEFAULT", "of app", {"include": False}, None),
    ("INCLUDE_BY_DEFAULT", "of app", {}, "of app"),
    ("INCLUDE_ON_DEMAND", "of app", ABSENT, None),
    ("INCLUDE_ON_DEMAND", "of app", {}, "of app"),
    ("INCLUDE_ON_DEMAND", "of app", {"value": "asked"}, "asked"),
    ("INCLUDE_ON_DEMAND", "of app", {"value": "asked", "include": False}, None),
]


@pytest.mark.parametrize("whose", ["app", "system"])
@pytest.mark.parametrize(("mode", "value", "asked", "wanted"), ENV)
def test_variables_by_input_mode(
    whose: str, mode: str, value: str, asked: dict[str, Any] | None, wanted: str | None
) -> None:
    defined = [{"key": "IT", "inputMode": mode, "value": value}]
    of_app = app({"envVariables": defined} if whose == "app" else None)
    on = system(jobEnvVariables=defined if whose == "system" else [])
    given = request({"envVariables": [{"key": "IT", **asked}]} if asked is not None else None)
    if wanted in (NO_VALUE, FIXED_ENV):
        with pytest.raises(Problem, match=f"{wanted} .*IT"):
            merged(given, of_app, on)
    else:
        assert environment(merged(given, of_app, on)).get("IT") == wanted


@pytest.mark.parametrize(
    ("of_system", "of_app", "asked", "wanted"),
    [
        ("s", None, None, "s"),
        ("s", "a", None, "a"),
        ("s", "a", "r", "r"),
        ("s", None, "r", "r"),
        (None, "a", "r", "r"),
        (None, None, "r", "r"),
        ("s", UNSET, None, "s"),
    ],
)
def test_the_request_goes_before_the_app_and_the_app_before_the_system(
    of_system: str | None, of_app: str | None, asked: str | None, wanted: str
) -> None:
    def listed(value: str | None) -> list[dict[str, str]]:
        return [] if value is None else [{"key": "IT", "value": value}]

    job = merged(
        request({"envVariables": listed(asked)}),
        app({"envVariables": listed(of_app)}),
        system(jobEnvVariables=listed(of_system)),
    )
    assert environment(job)["IT"] == wanted


def test_what_the_system_fixes_no_app_can_change() -> None:
    fixed = system(jobEnvVariables=[{"key": "IT", "value": "s", "inputMode": "FIXED"}])
    with pytest.raises(Problem, match=FIXED_ENV):
        merged(of_app=app({"envVariables": [{"key": "IT", "value": "a"}]}), on=fixed)
    with pytest.raises(Problem, match=FIXED_ENV):
        merged(request({"envVariables": [{"key": "IT", "value": "r"}]}), on=fixed)


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        ([{"key": "_tapisX", "value": "1"}], "JOBS_RESERVED_ENV_VAR"),
        ([{"key": "1X", "value": "1"}], "JOBS_INVALID_ENV_VAR_CHAR"),
        ([{"key": "A B", "value": "1"}], "JOBS_INVALID_ENV_VAR_CHAR"),
        ([{"key": "A", "value": "1"}, {"key": "A", "value": "2"}], "JOBS_DUPLICATE_ENV_VAR"),
        ([{"key": "A", "value": "1\n2"}], "JOBS_CONTROL_CHAR_DETECTED"),
        ([{"key": "A", "value": UNSET}], NO_VALUE),
        ([{"key": "inputDir", "value": "1"}], "JOBS_DUPLICATE_ENV_VAR"),
    ],
)
def test_impossible_variables_are_refused(variables: list[dict[str, str]], key: str) -> None:
    inputs = [{"sourceUrl": "tapis://exec/data/x", "envKey": "inputDir"}]
    with pytest.raises(Problem, match=key) as caught:
        merged(request({"envVariables": variables}, fileInputs=inputs))
    assert caught.value.status == 400


def test_variables_are_kept_by_name_whoever_set_them() -> None:
    asked = request(
        {"envVariables": [{"key": "zebra", "value": "1"}, {"key": "Apple", "value": "2"}]},
        fileInputs=[{"sourceUrl": "tapis://exec/data/x", "envKey": "mine"}],
    )
    keys = list(environment(merged(asked)))
    assert keys[-3:] == ["Apple", "mine", "zebra"]
    assert keys[:-3] == sorted(keys[:-3]) and all(key.startswith("_tapis") for key in keys[:-3])


# Scheduler options


def batch(options: list[str], **more: Any) -> list[str]:
    asked = request({"schedulerOptions": [{"arg": option} for option in options]}, jobType="BATCH")
    job = merged(asked, on=system(canRunBatch=True, **more))
    return [option.arg for option in job.parameter_set.scheduler_options]


@pytest.mark.parametrize("option", sorted(SCHEDULER_OPTIONS - {"--tapis-profile"}))
def test_options_of_slurm_are_taken(option: str) -> None:
    for form in (f"{option} x", f"{option}=x", f" {option}  "):
        assert batch([form]) == [form]


@pytest.mark.parametrize(
    ("option", "key"),
    [
        *((option, "JOBS_SCHEDULER_SUBSUMED_ARG") for option in SUBSUMED),
        *((option, "JOBS_SCHEDULER_UNSUPPORTED_ARG") for option in sorted(UNSUPPORTED)),
        ("--no-such", "JOBS_SCHEDULER_UNKNOWN_ARG"),
        ("nothing", "JOBS_SCHEDULER_UNKNOWN_ARG"),
        ("-A one two", "JOBS_SCHEDULER_UNKNOWN_ARG"),
        ("--tapis-profile unknown", "JOBS_SCHEDULER_PROFILE_NOT_FOUND"),
        ("--tapis-profile", "JOBS_SCHEDULER_PROFILE_NO_NAME"),
        ("-A x\n#SBATCH -N 9", "JOBS_CONTROL_CHAR_DETECTED"),
    ],
)
def test_other_options_are_refused(option: str, key: str) -> None:
    for form in (option,) if " " in option or "-" not in option else (option, f"{option}=1"):
        if key == "JOBS_SCHEDULER_PROFILE_NO_NAME" and "=" in form:
            continue
        with pytest.raises(Problem, match=key) as caught:
            batch([form])
        assert caught.value.status == 400


def test_the_systems_profile_is_added_unless_one_is_named() -> None:
    assert batch(["-A x"], batchSchedulerProfile="known") == ["-A x", "--tapis-profile known"]
    assert batch(["--tapis-profile known"], batchSchedulerProfile="other") == ["--tapis-profile known"]
    job = merged(request(jobType="BATCH"), on=system(canRunBatch=True, batchSchedulerProfile="known"))
    assert job.parameter_set.scheduler_options[0].name == "synthetic_tapis_profile"
    with pytest.raises(Problem, match="JOBS_SCHEDULER_PROFILE_NOT_FOUND"):
        batch([], batchSchedulerProfile="unknown")


# Archive filter and logs


def test_filters_of_both_are_joined() -> None:
    job = merged(
        request({"archiveFilter": {"includes": ["${JobName}.out"], "includeLaunchFiles": False}}),
        app({"archiveFilter": {"includes": ["*.csv"], "excludes": ["REGEX:.*\\.tmp"]}}),
    )
    chosen = job.parameter_set.archive_filter
    assert chosen.includes == ["first.out", "*.csv"]
    assert chosen.excludes == ["REGEX:.*\\.tmp"]
    assert chosen.include_launch_files is False
    unsaid = merged(of_app=app({"archiveFilter": {"includeLaunchFiles": False}})).parameter_set.archive_filter
    assert unsaid.include_launch_files is False


@pytest.mark.parametrize("pattern", ["REGEX:(", "[a", "REGEX:*"])
def test_patterns_that_mean_nothing_are_refused(pattern: str) -> None:
    with pytest.raises(Problem, match="JOBS_INVALID_GLOB_FILTER"):
        merged(request({"archiveFilter": {"excludes": [pattern]}}))


def test_logs_of_the_request_go_before_the_apps() -> None:
    asked = {"logConfig": {"stdoutFilename": "${JobName}.out", "stderrFilename": "r.err"}}
    of_app = app({"logConfig": {"stdoutFilename": "a.out", "stderrFilename": "a.err"}})
    job = merged(request(asked), of_app)
    assert job.parameter_set.log_config.stdout_filename == "first.out"
    assert environment(job)["_tapisStderrFilename"] == "r.err"
    assert merged(of_app=of_app).parameter_set.log_config.stderr_filename == "a.err"
    assert merged().parameter_set.log_config.stdout_filename == "tapisjob.out"
    # The app's own definition is as it was.
    assert of_app.job_attributes.parameter_set.log_config is not None
    assert of_app.job_attributes.parameter_set.log_config.stdout_filename == "a.out"


@pytest.mark.parametrize("name", ["../../out", "/", "./.", "a;b", "a\nb", "x" * 255 + "/" + "y" * 300])
def test_logs_stay_in_the_output_directory(name: str) -> None:
    with pytest.raises(Problem):
        merged(request({"logConfig": {"stdoutFilename": name, "stderrFilename": "err"}}))


def test_logs_with_a_slash_in_front_are_below_the_output_directory_too() -> None:
    job = merged(request({"logConfig": {"stdoutFilename": "/etc/out", "stderrFilename": "//a/./err"}}))
    assert job.parameter_set.log_config.stdout_filename == "etc/out"
    assert environment(job)["_tapisStderrFilename"] == "a/err"
