/* cutting_proxy.h - a TCP proxy on loopback that cuts connections in the middle of what the client sends. */
#pragma once

struct cutting_proxy;

/* Passes everything on to `upstream` ("127.0.0.1:5000"); a connection is cut once it sent cut_after_bytes, `cuts` times in
 * all, then never again. */
struct cutting_proxy *cutting_proxy_start(const char *upstream, unsigned cuts, unsigned long cut_after_bytes);
void cutting_proxy_stop(struct cutting_proxy *proxy);
const char *cutting_proxy_host(const struct cutting_proxy *proxy);
unsigned cutting_proxy_cuts_left(const struct cutting_proxy *proxy);
