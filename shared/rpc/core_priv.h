/* core_priv.h - the gRPC library itself: started with the first channel or server, stopped with the last. */
#pragma once

void rpc_core_ref(void);
void rpc_core_unref(void);
