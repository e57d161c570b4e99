# Shared by tests/run, tests/bench/run and proxy/quickstart: packages, build, and saying what happens.
#
# Sourced by bash with `set -euo pipefail`. Everything here may run twice: what is done already is not done again.
# shellcheck shell=bash

DYNFLOW_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
DYNFLOW_JOBS="${DYNFLOW_JOBS:-2}"

# say TEXT: one line on standard error with the seconds since the script started.
say() {
  printf '[%4ds] %s\n' "$SECONDS" "$*" >&2
}

fail() {
  say "error: $*"
  exit 1
}

# as_root COMMAND...: runs it as root, directly or through sudo without a question.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    sudo -n "$@"
  else
    return 126
  fi
}

# packages_of GROUP...: the names of the groups of packages.txt.
packages_of() {
  local group
  for group in "$@"; do
    awk -v group="$group" '$1 == group { print $2 }' "$DYNFLOW_ROOT/tests/support/packages.txt"
  done
}

# missing_packages GROUP...: those that are not installed.
missing_packages() {
  local name
  for name in $(packages_of "$@"); do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null || true)" = installed ] || echo "$name"
  done
}

# install_packages GROUP...: installs what is missing; does not touch the network when nothing is.
install_packages() {
  command -v dpkg-query >/dev/null || fail "this is made for Debian 12; on other systems install the counterparts of" \
    "tests/support/packages.txt and pass --no-install"
  local missing
  mapfile -t missing < <(missing_packages "$@")
  if [ "${#missing[@]}" -eq 0 ]; then
    say "packages: all installed ($*)"
    return 0
  fi
  say "packages: installing ${missing[*]}"
  local wanted="apt-get install -y --no-install-recommends ${missing[*]}"
  as_root true || fail "root is needed to install packages. Run as root or with sudo: $wanted"
  # A package list that is a day old may still do: the install decides.
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 update >&2 ||
    say "packages: the list could not be renewed, trying with what is there"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
    -o Acquire::Retries=3 install --no-install-recommends "${missing[@]}" >&2 || fail "could not: $wanted"
}

# use_ccache: a cache folder that can be written, also where HOME cannot. Clones in other folders share what it holds.
use_ccache() {
  command -v ccache >/dev/null || return 0
  local folder="${CCACHE_DIR:-${HOME:-/nonexistent}/.cache/ccache}"
  if ! { mkdir -p "$folder" && [ -w "$folder" ]; } 2>/dev/null; then
    folder="$DYNFLOW_ROOT/build/.ccache"
    mkdir -p "$folder" || { export CCACHE_DISABLE=1; return 0; }
  fi
  export CCACHE_DIR="$folder" CCACHE_BASEDIR="$DYNFLOW_ROOT" CCACHE_NOHASHDIR=1
}

# build_preset PRESET [TARGET...]: configures and builds; all targets without one named.
build_preset() {
  local preset="$1"
  shift
  cd "$DYNFLOW_ROOT" || return
  use_ccache
  say "build: configuring $preset"
  cmake --preset "$preset" >"$(build_log "$preset" configure)" 2>&1 ||
    { cat "$(build_log "$preset" configure)" >&2; fail "cmake --preset $preset failed"; }
  say "build: compiling $preset with $DYNFLOW_JOBS jobs (the first time takes minutes)"
  cmake --build --preset "$preset" -j "$DYNFLOW_JOBS" ${1+--target "$@"} >&2 || fail "the build failed"
  say "build: done, see build/$preset/bin"
}

# build_log PRESET NAME: the path of a log in the build tree, whose folder exists afterwards.
build_log() {
  mkdir -p "$DYNFLOW_ROOT/build/$1"
  echo "$DYNFLOW_ROOT/build/$1/$2.log"
}

# sanitizer_options PRESET: findings end the program; ThreadSanitizer of g++ 12 cannot live with today's kernels'
# full address randomisation, so WITHOUT_RANDOMISATION is a prefix for the test command. The link order is not verified because
# tests preload a library into our programs.
# shellcheck disable=SC2034
sanitizer_options() {
  WITHOUT_RANDOMISATION=()
  case "$1" in
    asan)
      export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1:verify_asan_link_order=0}"
      export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}"
      ;;
    tsan)
      export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}"
      if command -v setarch >/dev/null && setarch -R true 2>/dev/null; then
        WITHOUT_RANDOMISATION=(setarch -R)
      fi
      ;;
  esac
}
