#!/usr/bin/env bash
# Makes the virtual environment: pinned packages, slumpmap itself, and richdem where a compiler is there.
# Usage: bash envs/install.sh PYTHON FOLDER
set -euo pipefail
python=$1
venv=$2

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "error: $python is missing or older than Python 3.11. Give another one: make PYTHON=python3.12 ..." >&2
    exit 1
fi
if [ ! -x "$venv/bin/python" ]; then
    free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1048576) }')
    if [ "$free" -lt 4 ]; then
        echo "error: only $free GiB are free on the disk of $PWD, and the packages take about 3 (8 with CUDA). Make room." >&2
        exit 1
    fi
    "$python" -m venv "$venv" || {
        echo "error: $python cannot make a virtual environment. On Debian: apt install python3-venv" >&2
        exit 1
    }
fi
pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet)

echo "Installing pinned packages into $venv (about 3 GB, a few minutes) ..."
"${pip[@]}" install -r requirements.txt
"${pip[@]}" install --no-deps --no-build-isolation -e .

# richdem ships no wheel for Python 3.11 and bundles an old pybind11, so it is built against a newer one.
if "$venv/bin/python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("richdem") is None)'; then
    :
elif ! command -v g++ >/dev/null; then
    echo "richdem is left out (no C++ compiler): slope and aspect come from slumpmap's own equivalent."
else
    echo "Building richdem (about two minutes) ..."
    "${pip[@]}" install pybind11==3.1.0 wheel==0.48.0
    include=$("$venv/bin/python" -c 'import pybind11; print(pybind11.get_include())')
    CPPFLAGS="-I$include" "${pip[@]}" install --no-deps --no-build-isolation richdem==0.3.4 >"$venv/richdem.log" 2>&1 ||
        echo "richdem is left out (it could not be built, see $venv/richdem.log): slumpmap's own equivalent serves."
fi
touch "$venv/installed"
echo "slumpmap is installed. To use it: . $venv/bin/activate"
