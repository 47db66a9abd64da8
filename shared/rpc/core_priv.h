/* core_priv.h - the gRPC library itself: started with the first channel or server, stopped with the last. */
#pragma once

void rpc_core_ref(void);
void rpc_core_unref(void);

/* From now on the core's complaints about TLS handshakes are warnings, for whoever wonders why a client gets no
 * connection: nobody else can tell. At most one in ten seconds, as any stranger can cause them. */
void rpc_core_tell_handshakes(void);
