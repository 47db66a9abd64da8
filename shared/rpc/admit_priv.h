/* admit_priv.h - whether a call's peer has a role that the server accepts. */
#pragma once

#include "shared/rpc/call_priv.h"

/* Before anything else is done with the call. Sets call->peer_role. ERR_DENIED, reason RoleNotAllowed. */
int rpc_admit(struct rpc_call *call, struct error *err);
