# Sourced by the other scripts: where the tools live that are not part of the checkout.
# SKIFF_TOOLS names the folder; default: ~/.cache/skiff.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TOOLS=${SKIFF_TOOLS:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/skiff}
DENO=$TOOLS/bin/deno
DENORT=$TOOLS/bin/denort

# The system's certificates, so that a proxy with a certificate of its own works; no question to the network about newer versions.
export DENO_TLS_CA_STORE=system DENO_NO_UPDATE_CHECK=1 DENO_NO_PROMPT=1
