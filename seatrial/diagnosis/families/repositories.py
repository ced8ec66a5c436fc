"""Git and Git LFS: what a checkout, a submodule or a requirement by `git+` could not fetch, and why."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.reading import text_of
from seatrial.diagnosis.families.wordings import Wording, told
from seatrial.rules.deployment import registries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Diagnosis, Statement

_NOT_FETCHED = registries.NOT_FETCHED
_WORDINGS = (
    Wording(
        _NOT_FETCHED,
        re.compile(
            r"(?i)exceeded its LFS budget|over its data quota|LFS[^\n]{0,80}(?:quota|budget|"
            r"bandwidth)[^\n]{0,40}exceed|"
            r"exceeded[^\n]{0,40}(?:bandwidth|LFS)"
        ),
        "the budget of Git LFS of the repository's owner is used up, so the large files were not fetched",
        "raise the budget in the owner's billing settings; better keep weights in a bucket, and cache .git/lfs "
        "between jobs",
        cause="Every checkout with LFS counts against the owner's bandwidth, also those of workflows and forks.",
    ),
    Wording(
        _NOT_FETCHED,
        re.compile(
            r"(?i)git-lfs(?: filter-process)?: (?:\d+: )?(?:command )?not found|git: 'lfs' is not a git command"
        ),
        "git-lfs is not installed here, so the large files stay pointers",
        "install git-lfs before the checkout (`apt-get install git-lfs && git lfs install`)",
    ),
    Wording(
        _NOT_FETCHED,
        re.compile(
            r"(?i)Object does not exist on the server|\(missing\) [^\n]+ \([0-9a-f]{8,}\)|"
            r"LFS[^\n]{0,60}\[404\]"
        ),
        "a file of Git LFS is not on the server: it was committed and its content never pushed",
        "run `git lfs push --all origin` where the file is; a fork does not have the objects of its parent",
    ),
    Wording(
        _NOT_FETCHED,
        re.compile(
            r"(?i)(?:batch response|LFS)[^\n]{0,60}(?:authentication required|bad credentials|authorization error|"
            r"forbidden)"
        ),
        "Git LFS refuses the login",
        "give the checkout a token that may read the repository; LFS of another host needs a login of its own",
    ),
    Wording(
        _NOT_FETCHED,
        re.compile(
            r"(?i)smudge filter lfs failed|external filter '?git-lfs[^\n]*failed|"
            r"error downloading object: (?P<file>[^\s(]+)"
        ),
        "a file of Git LFS could not be fetched: {file}",
        "see the lines before for the reason (budget, login, missing object); GIT_LFS_SKIP_SMUDGE=1 makes the "
        "checkout without the files",
    ),
    Wording(
        _NOT_FETCHED,
        re.compile(
            r"could not read (?:Username|Password) for '(?P<host>https?://[^']+)'|"
            r"Authentication failed for '(?P<other>[^']+)'|"
            r"Support for password authentication was removed|Invalid username or (?:password|token)"
        ),
        "Git has no login for {host}{other}",
        "give it a token that may read the repository (a deploy key, a GitHub App, the job's token for its own "
        "repository only); a build of an image gets it as a secret (`--mount=type=secret`)",
    ),
    Wording(
        _NOT_FETCHED,
        re.compile(
            r"git@[\w.-]+: Permission denied \(publickey|Permission denied \(publickey[^)]*\)[^\n]*|"
            r"Host key verification failed"
        ),
        "Git's SSH login is refused: no key, or a host that is not known here",
        "use an https address with a token, or give the job an SSH key and known_hosts",
    ),
    Wording(
        _NOT_FETCHED,
        re.compile(
            r"(?i)remote: (?:Repository not found|Not Found|The project you were looking for could not be found)|"
            r"fatal: repository '(?P<where>[^']+)' (?:not found|does not exist)"
        ),
        "the repository {where} does not exist, or this login may not see it",
        "check the address; GitHub says the same to a login without access, such as the job's token for another "
        "private repository",
    ),
    Wording(
        _NOT_FETCHED,
        re.compile(
            r"Cannot find command '?git'?|do you have '?git'? installed|No such file or directory: 'git'|"
            r"Git executable not found|Bad git executable"
        ),
        "a requirement is fetched by Git, and there is no git here",
        "publish it as a wheel with a version, which the lock can hash; or install git in a build stage",
    ),
    Wording(
        _NOT_FETCHED,
        re.compile(r"detected dubious ownership in repository at '(?P<place>[^']+)'"),
        "Git does not trust the folder {place}: another user owns it",
        "run `git config --global --add safe.directory {place}` in the container",
    ),
    Wording(
        _NOT_FETCHED,
        re.compile(
            r"(?i)(?:pathspec|revision|Remote branch|ref(?:erence)?) '?(?P<name>[\w./-]+)'? (?:did not match|"
            r"not found)|"
            r"couldn't find remote ref (?P<ref>\S+)|unadvertised object (?P<object>[0-9a-f]+)|"
            r"fatal: reference is not a tree: (?P<tree>[0-9a-f]+)"
        ),
        "the repository has no {name}{ref}{object}{tree}",
        "push it, or name a branch, tag or commit that exists; a shallow clone has few commits (`fetch-depth: 0`)",
    ),
)


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge a line of Git, or of a program that calls it."""
    text = text_of(statement)
    if re.search(
        r"(?i)\bgit\b|lfs|fatal:|remote:|publickey|host key|username|repository|branch|ref\b|missing|object", text
    ):
        yield from told(_WORDINGS, text, statement.position)
