#!/usr/bin/env bash
# All checks and all tests, with one command: tests/run.sh
#
# Installs what a test needs from Debian's packages when it can (as root, with apt-get). What it can't have it
# skips and says so, and so do the tests; where CI is set a skip is a failure. The last line is "N passed, N failed": each check is one,
# each test case is one. What takes minutes runs only where TRUNKLINE_LONG is set to anything. The exit code is 0 only if nothing failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# No step takes this long, on two cores and from an empty target directory, unless it hangs.
STEP_LIMIT=40m

passed=0
failed=0
skips=()
output=$(mktemp)
# Where tests write what they leave out; the runner hides what a test that passes says.
skips_file=$(mktemp)
trap 'rm -f "$output" "$skips_file"' EXIT
export CARGO_TERM_COLOR=never TRUNKLINE_SKIPS=$skips_file
command -v cargo >/dev/null || PATH="$HOME/.cargo/bin:$PATH"

main() {
    if ! command -v cargo >/dev/null; then
        echo "cargo is missing: install Rust from https://rustup.rs"
        failed=1
        finish
    fi
    install_missing

    have_component fmt && check "cargo fmt" cargo fmt --check
    check "scripts" scripts_parse
    if have libpq; then
        local features=(--features postgres)
    else
        skip "everything with PostgreSQL" "libpq-dev and pkg-config are missing"
        local features=()
    fi
    have_component clippy &&
        check "cargo clippy" cargo clippy --locked --all-targets "${features[@]}" -- -D warnings
    check "cargo check, default features" cargo check --locked
    if cargo nextest --version >/dev/null 2>&1; then
        tests "tests" cargo nextest run --locked "${features[@]}" --config-file tests/nextest.toml --no-fail-fast --cargo-quiet \
            --status-level fail --final-status-level fail --show-progress none
    else
        tests "tests" cargo test --locked "${features[@]}" --no-fail-fast --quiet --lib --bins --tests
    fi
    [[ -n ${TRUNKLINE_LONG:-} ]] &&
        tests "long tests" cargo test --locked "${features[@]}" --quiet --test asterisk -- --ignored
    tests "doc tests" cargo test --locked "${features[@]}" --quiet --doc
    # Other code than that of the tests: optimized, and so a build of its own.
    have valgrind && check "instructions" cargo bench --locked --profile counted --bench instructions
    tell_skips_of_tests
    finish
}

# What a test needs, the packages that bring it, and what is skipped without it.
install_missing() {
    local need missing=()
    for need in cc libpq postgres promtool valgrind venv flite pocketsphinx podman sqlite3 chromium sipp mmdebstrap; do
        have "$need" || read -r -a missing <<<"${missing[*]} $(packages_for "$need")"
    done
    if ((${#missing[@]})) && command -v apt-get >/dev/null && ((EUID == 0)); then
        echo "installing ${missing[*]}"
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update >"$output" 2>&1 &&
            apt-get -qq install -y --no-install-recommends "${missing[@]}" >>"$output" 2>&1 || tail -n 20 "$output"
    fi
    have cc || skip "most of everything" "there is no C compiler (build-essential)"
    have postgres || skip "tests on PostgreSQL" "its server is missing (postgresql)"
    have promtool || skip "what promtool says of /metrics" "promtool is missing (prometheus)"
    have valgrind || skip "counting instructions" "valgrind is missing"
    have flite && have pocketsphinx || skip "a recogniser that is a real one" "flite or pocketsphinx is missing"
    have chromium || skip "the console in a browser" "chromium or chromium-driver is missing"
    have sqlite3 || skip "the backup of SQLite" "sqlite3 is missing"
    have podman || skip "the container" "podman, runc or mmdebstrap is missing"
    if ! have sipp || ! have mmdebstrap; then
        skip "tests with a real Asterisk" "SIPp or mmdebstrap is missing (sip-tester, mmdebstrap)"
    elif ! tests/asterisk.sh "${CARGO_TARGET_DIR:-target}/tmp/asterisk-22" 2>"$output"; then
        skip "tests with a real Asterisk" "$(tail -n 1 "$output")"
    fi
    have venv || skip "Schemathesis, and checks against published schemas" "python3 -m venv is missing (python3-venv)"
}

have() {
    case "$1" in
    cc) command -v cc >/dev/null ;;
    libpq) command -v pkg-config >/dev/null && pkg-config --exists libpq ;;
    postgres) command -v postgres >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/postgres" >/dev/null ;;
    promtool | valgrind | flite | sqlite3 | sipp | mmdebstrap) command -v "$1" >/dev/null ;;
    pocketsphinx) command -v pocketsphinx_continuous >/dev/null ;;
    chromium) command -v chromium >/dev/null && command -v chromedriver >/dev/null ;;
    podman) command -v podman >/dev/null && command -v runc >/dev/null && command -v mmdebstrap >/dev/null ;;
    venv) python3 -c "import ensurepip, venv" >/dev/null 2>&1 ;;
    esac
}

packages_for() {
    case "$1" in
    cc) echo build-essential ;;
    libpq) echo libpq-dev pkg-config ;;
    postgres) echo postgresql ;;
    promtool) echo prometheus ;;
    valgrind) echo valgrind ;;
    venv) echo python3-venv ;;
    flite) echo flite ;;
    pocketsphinx) echo pocketsphinx pocketsphinx-en-us ;;
    podman) echo podman runc mmdebstrap ;;
    sqlite3) echo sqlite3 ;;
    chromium) echo chromium chromium-driver ;;
    sipp) echo sip-tester ;;
    mmdebstrap) echo mmdebstrap ;;
    esac
}

have_component() {
    cargo "$1" --version >/dev/null 2>&1 && return 0
    local component=$1
    [[ $component == fmt ]] && component=rustfmt
    rustup component add "$component" >"$output" 2>&1 && return 0
    skip "cargo $1" "the component $component is missing"
    return 1
}

scripts_parse() {
    local script ok=0
    for script in .ci/* tests/*.sh benches/*.sh deploy/*.sh; do
        [[ -f $script ]] || continue
        bash -n "$script" || ok=1
        [[ -x $script ]] || { echo "$script is not executable" && ok=1; }
    done
    return "$ok"
}

skip() {
    skips+=("$1: $2")
    echo "skip  $1: $2"
}

# What tests left out, each once; but for what was told before they ran.
tell_skips_of_tests() {
    local line told
    while IFS= read -r line; do
        for told in "${skips[@]}"; do
            [[ ${told%%:*} == "${line%%:*}" ]] && continue 2
        done
        skip "${line%%: *}" "${line#*: }"
    done < <(sort -u "$skips_file")
}

# Runs a step that is one check.
check() {
    if run "$@"; then ((passed += 1)); else ((failed += 1)); fi
}

# Runs a step that is many test cases, and adds them up from what the runner said.
tests() {
    local ok=0 cases_passed cases_failed
    run "$@" || ok=1
    cases_passed=$(cases passed)
    cases_failed=$(cases failed)
    if ((ok && !cases_failed)); then
        cases_failed=1
    elif ((!ok && !cases_passed)); then
        echo "FAIL  $1: no test ran"
        cases_failed=1
    fi
    ((passed += cases_passed, failed += cases_failed))
}

# Runs a step, quietly unless it fails.
run() {
    local name=$1 started=$SECONDS
    shift
    if limited "$@" >"$output" 2>&1; then
        echo "ok    $name ($((SECONDS - started)) s)"
    else
        local code=$?
        ((code == 124)) && echo "stopped after $STEP_LIMIT" >>"$output"
        cat "$output"
        echo "FAIL  $name ($((SECONDS - started)) s)"
        return 1
    fi
}

limited() {
    local foreground=()
    # At a terminal the step shares its process group, so that Ctrl-C reaches it.
    [[ -t 0 ]] && foreground=(--foreground)
    if [[ $(type -t "$1") == function ]]; then
        "$@"
    else
        timeout "${foreground[@]}" --kill-after=10s "$STEP_LIMIT" "$@"
    fi
}

# How many cases of a kind the runner reports: nextest in its summary ("3 tests run: 2 passed, 1 failed, 1 timed
# out"), libtest once per binary ("test result: FAILED. 2 passed; 1 failed; 0 ignored").
cases() {
    awk -v kind="$1" '
        /^ *Summary \[/ || /^test result:/ {
            for (i = 2; i <= NF; i++) {
                word = $i
                gsub(/[,;()]/, "", word)
                is_failure = word == "failed" || word == "timed" || word == "exec"
                if (kind == "failed" ? is_failure : word == kind) sum += $(i - 1)
            }
        }
        END { print sum + 0 }' "$output"
}

finish() {
    if [[ -n ${CI:-} ]] && ((${#skips[@]})); then
        echo "a skip is a failure here (CI=$CI)"
        ((failed += ${#skips[@]}))
    fi
    echo "$passed passed, $failed failed"
    exit $((failed > 0))
}

# Sourced, it only brings its functions.
[[ ${BASH_SOURCE[0]} != "$0" ]] || main
