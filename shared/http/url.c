#include "shared/http/url.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

static void url_handle_free(CURLU **url)
{
    curl_url_cleanup(*url);
}
#define SCOPED_URL __attribute__((cleanup(url_handle_free)))

static void curl_text_free(char **text)
{
    curl_free(*text);
}
#define SCOPED_CURL_TEXT __attribute__((cleanup(curl_text_free)))

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

static bool scheme_is_http(CURLU *url)
{
    SCOPED_CURL_TEXT char *scheme = NULL;
    return curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
           (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
}

int url_resolve(const char *base, const char *location, char **ret_url, struct error *err)
{
    SCOPED_URL CURLU *url = curl_url();
    SCOPED_CURL_TEXT char *text = NULL;

    if (strlen(location) > URL_MAX)
        return error_set(err, ERR_INVALID, "URL longer than %d bytes", URL_MAX);
    if (!*location || !is_printable(location))
        return error_set(err, ERR_INVALID, "URL is empty or has bytes that no URL has");
    if (curl_url_set(url, CURLUPART_URL, base, CURLU_DISALLOW_USER) != CURLUE_OK ||
        curl_url_set(url, CURLUPART_URL, location, CURLU_DISALLOW_USER) != CURLUE_OK || !scheme_is_http(url))
        return error_set(err, ERR_INVALID,
                         "want an http or https URL without a user name, or a path, got \"%.80s\"", location);
    if (curl_url_get(url, CURLUPART_URL, &text, 0) != CURLUE_OK)
        return error_set(err, ERR_INVALID, "\"%.80s\" is not a URL", location);
    if (strlen(text) > URL_MAX ||
        !is_printable(text)) /* the base has its share, and curl decodes host names */
        return error_set(err, ERR_INVALID, "URL longer than %d bytes, or with bytes that no URL has",
                         URL_MAX);
    *ret_url = xstrdup(text);
    return 0;
}

/* scheme, host and port (the default one when none is written); false: not a URL */
static bool url_origin(const char *text, char **ret_scheme, char **ret_host, char **ret_port)
{
    SCOPED_URL CURLU *url = curl_url();
    return curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
           curl_url_get(url, CURLUPART_SCHEME, ret_scheme, 0) == CURLUE_OK &&
           curl_url_get(url, CURLUPART_HOST, ret_host, 0) == CURLUE_OK &&
           curl_url_get(url, CURLUPART_PORT, ret_port, CURLU_DEFAULT_PORT) == CURLUE_OK;
}

bool url_same_origin(const char *a, const char *b)
{
    SCOPED_CURL_TEXT char *scheme_a = NULL, *host_a = NULL, *port_a = NULL;
    SCOPED_CURL_TEXT char *scheme_b = NULL, *host_b = NULL, *port_b = NULL;

    return url_origin(a, &scheme_a, &host_a, &port_a) && url_origin(b, &scheme_b, &host_b, &port_b) &&
           strcmp(scheme_a, scheme_b) == 0 && strcasecmp(host_a, host_b) == 0 && strcmp(port_a, port_b) == 0;
}

bool url_is_https(const char *url)
{
    return strncasecmp(url, "https://", 8) == 0;
}

char *url_host(const char *url)
{
    const char *start = strstr(url, "://");
    start = start ? start + 3 : url;
    return xstrndup(start, strcspn(start, "/?#"));
}

char *url_add_query(const char *url, const char *name, const char *value)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/,";
    char *escaped = xcalloc(strlen(value) * 3 + 1, 1), *into = escaped;

    for (const char *c = value; *c; c++) {
        if (strchr(plain, *c)) {
            *into++ = *c;
        } else {
            static const char hex[] = "0123456789ABCDEF";
            *into++ = '%';
            *into++ = hex[(unsigned char)*c >> 4];
            *into++ = hex[(unsigned char)*c & 15];
        }
    }
    char *added = xasprintf("%s%c%s=%s", url, strchr(url, '?') ? '&' : '?', name, escaped);
    free(escaped);
    return added;
}
