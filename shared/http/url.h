/* http/url.h - the few questions a client has about URLs. http and https only; no user names in them. */
#pragma once

#include <stdbool.h>

#include "shared/base/error.h"

#define URL_MAX 8192

/* An absolute URL from a Location that may be absolute or relative to base. *ret_url is the caller's.
 * ERR_INVALID: not a URL, another scheme, a user name in it, longer than URL_MAX. */
int url_resolve(const char *base, const char *location, char **ret_url, struct error *err);

/* Same scheme, host and port: credentials for one may go to the other. */
bool url_same_origin(const char *a, const char *b);
bool url_is_https(const char *url);
/* "host:port" as written, for messages; the caller frees. */
char *url_host(const char *url);
/* url with "name=value" added to its query; value is percent-encoded where it must be. The caller frees. */
char *url_add_query(const char *url, const char *name, const char *value);
