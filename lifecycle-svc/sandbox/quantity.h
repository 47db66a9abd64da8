/* quantity.h - Kubernetes' spelling of amounts: "500m", "2", "512Mi", "1.5e3". Pure; any thread.
 * Spec: k8s.io/apimachinery, resource.Quantity. */
#pragma once

#include <stdbool.h>

/* Would Kubernetes take it, and is it not negative? */
bool is_quantity(const char *text);
