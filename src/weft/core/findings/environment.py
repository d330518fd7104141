"""Failures by what a job found where it ran: its inputs, its modules and packages, its rights, its disks. PURE.

One row for each cause; ``causes.py`` says how rows become findings. What the batch system refuses is in
``refusals.py``, what programs do wrong in ``programs.py``, what limits end in ``limits.py``, how else jobs end in
``endings.py``.
"""

from __future__ import annotations

from weft.core.findings.base import Remedy, Rule
from weft.core.findings.causes import Cause, rules_of
from weft.core.findings.remedies import CHECK, EXPLAIN, RETRY, VENV
from weft.core.findings.settings import in_parameters, table, variable
from weft.model import Phase

STAGED_IN = (Phase.PROCESSING_INPUTS, Phase.STAGING_INPUTS)
"""Where a job dies whose inputs are not there."""

_INPUTS = (
    Cause(
        id="missing-input",
        title="An input is not where the job fetches it from",
        signs=("missing-file",),
        phases=STAGED_IN,
        cause="Tapis stages inputs before anything runs, and one address names nothing that is there, so the job ends.",
        ours=(
            Remedy(
                say="Put back what is gone from the store, and look whether all else is there.",
                command="weft store refresh{place}",
            ),
            CHECK,
            RETRY,
        ),
        others=(
            Remedy(
                say="Name the file or folder by its address on Tapis, with the user and the whole path in it.",
                setting='"fileInputs": [{"name": "Input Directory",\n'
                ' "sourceUrl": "tapis://designsafe.storage.default/USER/FOLDER"}]',
            ),
            Remedy(
                say="Run it as a study of weft, which looks whether inputs are there before it submits.",
                command="weft init",
            ),
        ),
    ),
    Cause(
        id="foreign-path",
        title="A path of another machine in the job",
        signs=("foreign-path",),
        cause="The nodes do not see the notebook's folders (MyData, CommunityData, /home/jupyter), nor a laptop's.",
        ours=(
            Remedy(
                say="List the file in the study, and let the model open it by its name in the case's directory.",
                setting=table("model", 'shared = ["/home/jupyter/CommunityData/FOLDER"]'),
            ),
            RETRY,
        ),
        others=(
            Remedy(
                say="Give the folder as an input, by its address, and open the file by its name in the job's folder.",
                setting='"fileInputs": [{"name": "Input Directory",\n'
                ' "sourceUrl": "tapis://designsafe.storage.community/FOLDER"}]',
            ),
        ),
    ),
    Cause(
        id="shared-input-gone",
        title="A shared input was gone when the job began",
        signs=("shared-input",),
        only_weft=True,
        cause="It was there before, and now it is not, or not whole: scratch was purged, or somebody changed it.",
        ours=(
            Remedy(say="Put back what is missing.", command="weft store refresh{place}"),
            Remedy(
                say="Keep the store in Work, which is not purged.",
                setting=table("tapis", 'store = "tapis://{system}/work2/NUMBER/USER/weft/store"'),
            ),
            RETRY,
        ),
    ),
)
_ENVIRONMENT = (
    Cause(
        id="module-not-loaded",
        title="A module of the system could not be loaded",
        signs=("module-load",),
        cause="Its name or version is not on this system, it needs another one first, or `module` itself is missing.",
        ours=(
            Remedy(
                say="Load what `module spider NAME` on the system names, with the modules that it needs before it.",
                setting=table("model", 'setup = ["module load gcc/13.2.0", "module load NAME/VERSION"]'),
            ),
            RETRY,
        ),
        others=(
            Remedy(
                say="Load what `module spider NAME` on the system names; some apps take the list as a variable.",
                setting=variable("MODULE_LOADS_LIST", "gcc/13.2.0,NAME/VERSION"),
            ),
        ),
    ),
    Cause(
        id="program-not-found",
        title="A program is not there where the job runs",
        signs=("command-not-found", "not-executable"),
        cause="Its name is wrong, its module is not loaded, it is not on the PATH, or it is not made for the nodes.",
        ours=(
            Remedy(
                say="Load the module that brings it, or give its whole path in the command.",
                setting=table("model", 'setup = ["module load NAME", "export PATH=$WORK/bin:$PATH"]'),
            ),
            RETRY,
        ),
        others=(
            Remedy(
                say="Choose an app that has the program, or load its module in the script that the app starts.",
                command="weft app list --all",
            ),
        ),
    ),
    Cause(
        id="python-package-missing",
        title="A Python package is missing",
        signs=("module-missing",),
        cause="The Python of the job is not that of the notebook: it has only what was installed for it.",
        ours=(
            VENV,
            Remedy(
                say="For OpenSeesPy in `designsafe-openseespy-s3`, ask the app for TACC's build.",
                setting=table("tapis.env", 'GET_TACC_OPENSEESPY = "True"'),
            ),
            RETRY,
        ),
        others=(
            Remedy(
                say="Let the app install it, if it takes the list as a variable, as designsafe-agnostic-app does.",
                setting=variable("PIP_INSTALLS_LIST", "PACKAGE"),
            ),
        ),
    ),
    Cause(
        id="library-missing",
        title="A shared library is missing, or is too old",
        signs=("shared-library", "glibc"),
        cause="The program was built where that library was, and the nodes do not have it or have another version.",
        ours=(
            Remedy(
                say="Load the modules that the program was built with; a library of your own goes on LD_LIBRARY_PATH.",
                setting=table(
                    "model",
                    'setup = ["module load gcc/13.2.0", "export LD_LIBRARY_PATH=$WORK/lib:$LD_LIBRARY_PATH"]',
                ),
            ),
            Remedy(
                say="If GLIBC or GLIBCXX is named, build the program on the system itself, or take its module."
            ),
            RETRY,
        ),
        others=(
            Remedy(
                say="Load the modules that the program was built with, by a scheduler profile or in the script.",
                setting=in_parameters(
                    "schedulerOptions", '[{"name": "profile", "arg": "--tapis-profile NAME"}]'
                ),
            ),
        ),
    ),
    Cause(
        id="pip-failed",
        title="A package could not be installed by pip",
        signs=("pip",),
        cause="The package does not exist for the job's Python, must be compiled there, or the nodes reach no index.",
        ours=(VENV, RETRY),
        others=(
            Remedy(
                say="Install once, on a login node, into an environment in Work, and activate it in the script."
            ),
        ),
    ),
    Cause(
        id="no-licence",
        title="A program got no licence",
        signs=("license",),
        cause="The licence server gave none: all are in use, the nodes do not reach it, or yours has expired.",
        ours=(
            Remedy(
                say="Run no more cases at once than there are licences.",
                setting=table("tapis", "jobs = 1", "slots = {fewer}"),
            ),
            RETRY,
        ),
        others=(
            Remedy(say="Run no more jobs at once than there are licences, and ask the site for its server."),
        ),
    ),
    Cause(
        id="setup-failed",
        title="The study's setup failed",
        signs=("setup-failed",),
        only_weft=True,
        cause="A line of `model.setup` ended with another exit code than 0, so the job ended before any case.",
        ours=(
            EXPLAIN,
            Remedy(say="Mend that line, and try a few cases first.", command="weft run{place} --pilot 4"),
        ),
    ),
)
_ASK_OWNER = Remedy(say="Have the owner give you the right to read it, or copy it to a place of your own.")
_RIGHTS = (
    Cause(
        id="permission-denied",
        title="A file or folder may not be used",
        signs=("permission",),
        cause="The job runs as you on the system; what it wants belongs to somebody else, is read-only, or is private.",
        ours=(
            Remedy(
                say="Write into the case's own directory, and keep what is wanted of it.",
                setting=table("output", 'keep = ["*.out"]'),
            ),
            _ASK_OWNER,
            RETRY,
        ),
        others=(
            Remedy(say="Write into the job's folder; CommunityData and published data are for reading only."),
            _ASK_OWNER,
        ),
    ),
    Cause(
        id="no-login-on-system",
        title="Tapis cannot log in to the system",
        signs=("remote-login",),
        cause="Tapis has no key or password for you on that system, or the one that it has is not taken any more.",
        ours=(
            Remedy(
                say="See what is missing; where the system allows it, weft has keys made.",
                command="weft plan{place}",
            ),
            Remedy(say="Or make the credential once in the portal, under systems."),
        ),
        others=(
            Remedy(
                say="Make the credential once in the portal, under systems, or by tapipy's createUserCredential."
            ),
        ),
    ),
    Cause(
        id="disk-quota",
        title="A disk quota is used up",
        signs=("disk-quota",),
        cause="Home and Work have quotas of bytes and of files; whatever is written beyond them fails.",
        ours=(
            Remedy(
                say="See what fills it, by `du -sh` and the site's own report, and remove what is not needed."
            ),
            Remedy(
                say="Let cases run on the node's own disk, and keep only what is needed.",
                setting=table("model", 'workdir = "node"') + "\n\n" + table("output", 'keep = ["*.out"]'),
            ),
            RETRY,
        ),
        others=(
            Remedy(say="Remove what is not needed, and run from scratch, which has no quota."),
            Remedy(
                say="As a study of weft, cases run on the node's own disk and leave one ZIP.",
                command="weft init",
            ),
        ),
    ),
    Cause(
        id="disk-full",
        title="A disk is full",
        signs=("no-space",),
        cause="Often it is the node's own disk or memory disk (/tmp), which all cases of a job share.",
        ours=(
            Remedy(
                say="Let cases run in scratch, which is larger than a node's disk.",
                setting=table("model", 'workdir = "scratch"'),
            ),
            Remedy(
                say="Or let fewer run at a time, and write less.", setting=table("tapis", "slots = {fewer}")
            ),
            RETRY,
        ),
        others=(
            Remedy(
                say="Write into the job's folder in scratch rather than into /tmp, and remove what is not needed."
            ),
        ),
    ),
    Cause(
        id="cannot-write",
        title="The runner could not write what the job leaves",
        signs=("cannot-write",),
        only_weft=True,
        cause="The job's folder could not be written: its disk was full, over quota, read-only or away.",
        ours=(
            EXPLAIN,
            Remedy(
                say="See how full Work and scratch are, make room, and run again.",
                command="weft retry{place}",
            ),
        ),
    ),
    Cause(
        id="system-limit",
        title="Too many files, processes or threads at once",
        signs=("open-files", "processes"),
        cause="A user may have so many files open, and so many threads, on one node; many cases at once add up.",
        ours=(
            Remedy(
                say="Give each case one thread, or as many as it has cores.",
                setting=table("model", 'env = { OMP_NUM_THREADS = "1", OPENBLAS_NUM_THREADS = "1" }'),
            ),
            Remedy(say="Or let fewer run at a time.", setting=table("tapis", "slots = {fewer}")),
            RETRY,
        ),
        others=(
            Remedy(
                say="Set the number of threads, and close files that are not needed any more.",
                setting=variable("OMP_NUM_THREADS", "1"),
            ),
        ),
    ),
)

CAUSES: tuple[Cause, ...] = (*_INPUTS, *_ENVIRONMENT, *_RIGHTS)

RULES: tuple[Rule, ...] = rules_of(CAUSES)
