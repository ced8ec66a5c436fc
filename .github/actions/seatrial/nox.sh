#!/usr/bin/env bash
# Runs a session of the tool's own noxfile, the same as on a laptop. The step's shell is replaced by it, so that the
# signals of a cancelled run arrive.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)

# Logs of servers and installers are foreign text: until this step ends, nothing in them is a workflow command.
# The runner keeps this state for each step by itself (actions/runner, Handler.cs), so no step after it is affected.
# Only the summary runs nothing foreign: it prints annotations, in which it escapes what is foreign.
if [ "${1-} ${2-}" != "-s summary" ]; then
  stop=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  echo "::stop-commands::$stop"
fi

# The caller's folder may hold configuration of nox's or uv's; the tool's own decides.
export NOX_DEFAULT_VENV_BACKEND=uv
exec "$RUNNER_TEMP/seatrial/python/bin/python" -m nox --noxfile "$root/noxfile.py" \
  --envdir "$RUNNER_TEMP/seatrial/sessions" "$@"
