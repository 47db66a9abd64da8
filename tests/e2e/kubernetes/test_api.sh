#!/usr/bin/env bash
# test_api.sh DIR - the public API through clients that others wrote (tests/api), on a real cluster: the same rows, the doors
# that the chart opens.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

kube_begin api "$1"
service_ca >"$E2E_DIR/ca.crt"
address=$(service_address)
export STASIS_API_URL=http://$address:8080 STASIS_GRPC_ADDRESS=$address:8090 STASIS_GRPC_SERVER_NAME=$SERVICE_NAME
export STASIS_CA=$E2E_DIR/ca.crt STASIS_IMAGE=$IMAGE
STASIS_API_KEY=$(api_key)
export STASIS_API_KEY
"$E2E_ROOT/tests/api/run.sh" - || { e2e_show_logs; exit 1; }
