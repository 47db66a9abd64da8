/* grammar.h - the spellings that Kubernetes allows for names, labels and their like.
 * Spec: Kubernetes docs, "Object Names and IDs" and "Labels and Selectors"; RFC 1123. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SUBDOMAIN_MAX   253
#define DNS_LABEL_MAX   63
#define LABEL_VALUE_MAX 63
#define SUBDOMAIN_MESSAGE                                                                                    \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "    \
    "must start and end with an alphanumeric character"
#define DNS_LABEL_MESSAGE                                                                                    \
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "  \
    "and end with an alphanumeric character"
#define LABEL_VALUE_MESSAGE                                                                                  \
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "     \
    "must start and end with an alphanumeric character"
#define QUALIFIED_NAME_MESSAGE                                                                               \
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "    \
    "alphanumeric character, with an optional DNS subdomain prefix and '/'"

bool is_dns_label(const char *text);
bool is_dns_subdomain(const char *text);
bool is_label_value(const char *text);
bool is_qualified_name(const char *text); /* label and annotation keys, finalizers: "prefix/name" or "name" */
