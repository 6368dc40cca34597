#!/usr/bin/env bash
# Writes down the secrets of compose.yml: those that the variables TWILIO_AUTH_TOKEN and OPENAI_API_KEY give, and random
# ones for the rest. What is there already stays. Each is readable by whom it is for, and nobody else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# The service's user in its container.
readonly SERVICE=10001

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# keep NAME VALUE [OWNER]
keep() {
    local file=secrets/$1 value=$2 owner=${3:-}
    [[ -n $value && ! -e $file ]] && (umask 077 && printf '%s' "$value" >"$file")
    [[ -z $owner || ! -e $file ]] || chown "$owner" "$file" || {
        echo "$file: only root can give it to the service's user; run this with sudo"
        exit 1
    }
}

mkdir -p secrets
chmod 0711 secrets
keep twilio_auth_token "${TWILIO_AUTH_TOKEN:-}" "$SERVICE"
keep openai_api_key "${OPENAI_API_KEY:-}" "$SERVICE"
keep admin_token "$(random)$(random)" "$SERVICE"
keep postgres_password "$(random)"
keep grafana_password "$(random)" 472
keep database_url "postgres://trunkline:$(cat secrets/postgres_password)@postgres/trunkline" "$SERVICE"

if [[ ! -e secrets/twilio_auth_token ]]; then
    echo "secrets/twilio_auth_token is missing: TWILIO_AUTH_TOKEN=… $0"
    exit 1
fi
