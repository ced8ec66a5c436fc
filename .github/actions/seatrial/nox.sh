#!/usr/bin/env bash
# Runs a session of the tool's own noxfile, as on a laptop. It replaces the step's shell, so that it receives the
# signals of a cancelled run.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)

# Logs of servers and installers are foreign text: until this step ends, nothing in them is a workflow command.
# The runner keeps this state separately for each step (actions/runner, Handler.cs), so later steps are not affected.
# Only the summary runs nothing foreign: it prints annotations, in which it escapes foreign text.
if [ "${1-} ${2-}" != "-s summary" ]; then
  stop=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  echo "::stop-commands::$stop"
fi

# What logins.py has left: pip and uv read the logins from a file, so that no variable and no address holds them.
if [ -f "$RUNNER_TEMP/seatrial/netrc" ]; then export NETRC="$RUNNER_TEMP/seatrial/netrc"; fi
if [ -f "$RUNNER_TEMP/seatrial/index-url" ]; then
  UV_DEFAULT_INDEX=$(<"$RUNNER_TEMP/seatrial/index-url")
  export UV_DEFAULT_INDEX PIP_INDEX_URL="$UV_DEFAULT_INDEX"
fi

# The caller's folder may have configuration for nox or uv; the tool's own takes precedence.
export NOX_DEFAULT_VENV_BACKEND=uv
exec "$RUNNER_TEMP/seatrial/python/bin/python" -m nox --noxfile "$root/noxfile.py" \
  --envdir "$RUNNER_TEMP/seatrial/sessions" "$@"
