/* quantity.h - Kubernetes quantities as numbers: "500m", "1.5Gi", "1e3".
 * Spec: k8s.io/apimachinery/pkg/api/resource. Fractions of the unit are rounded up, as there. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "shared/base/error.h"

/* value is a JSON string or number. ERR_INVALID: no quantity, negative, or more than an int64 holds. */
int quantity_units(const json_t *value, int64_t *ret_units, struct error *err);   /* bytes of memory */
int quantity_millis(const json_t *value, int64_t *ret_millis, struct error *err); /* thousandths of a CPU */
