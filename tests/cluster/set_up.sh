#!/usr/bin/env bash
# Puts the SLURM that tests/cluster needs on a Debian machine, where it may; otherwise says what to install.
set -euo pipefail
packages=()
for pair in slurmctld:slurmctld slurmd:slurmd sbatch:slurm-client munged:munge; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || packages+=("${pair##*:}")
done
if [ ${#packages[@]} -eq 0 ]; then exit 0; fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "error: the cluster tests need ${packages[*]}. On Debian, as root: apt install ${packages[*]}" >&2
    exit 1
fi
echo "Installing ${packages[*]} (4 MB) ..."
# The packages must not start daemons of their own: the tests start theirs.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -q --no-install-recommends "${packages[@]}" >/dev/null; }
install 2>/dev/null || { apt-get update -q >/dev/null && install; }
