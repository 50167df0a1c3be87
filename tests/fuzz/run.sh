#!/bin/bash
# run.sh BUILD SECONDS: each libFuzzer target of BUILD (configured with -Dfuzz=true) for SECONDS, from its seeds.
# Exit status 1 when one found something; what broke it is then in BUILD/found/<target>/.
set -u
build=$1
seconds=$2
tests=$(cd "$(dirname "$0")/.." && pwd)
status=0
for target in "$build"/tests/fuzz/fuzz_*; do
	[ -f "$target" ] && [ -x "$target" ] || continue
	name=${target##*/fuzz_}
	found=$build/found/$name
	corpus=$build/corpus/$name
	mkdir -p "$found" "$corpus"
	seeds=()
	[ ! -d "$tests/fuzz/seeds/$name" ] || seeds+=("$tests/fuzz/seeds/$name")
	# The golden folders that tests/fuzz/meson.build names for it.
	for folder in $(sed -n "s/^  '$name': \[\[.*\], \[\(.*\)\]\],\$/\1/p" "$tests/fuzz/meson.build" | tr -d "',"); do
		seeds+=("$tests/golden/$folder")
	done
	if "$target" -max_total_time="$seconds" -rss_limit_mb=2048 -artifact_prefix="$found/" "$corpus" "${seeds[@]}" \
		>"$found/log" 2>&1; then
		echo "ok - $name: $(grep -E '^Done ' "$found/log" | tail -n 1)"
	else
		echo "not ok - $name: see $found"
		tail -n 30 "$found/log"
		status=1
	fi
done
exit $status
