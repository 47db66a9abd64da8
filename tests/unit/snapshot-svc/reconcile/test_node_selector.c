/* What a pod asks of its node, against a node's labels; the values are those of Kubernetes' own scheduler. */
#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "snapshot-svc/reconcile/node_selector.h"
#include "tests/unit/testing.h"

#define NODE "{\"zone\":\"a\",\"cores\":\"16\",\"gpu\":\"\"}"

#define TERMS(terms)                                                                                         \
    "{\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":"                   \
    "{\"nodeSelectorTerms\":[" terms "]}}}}"
#define TERM(expressions)          "{\"matchExpressions\":[" expressions "]}"
#define IS(key, operator, values)  "{\"key\":\"" key "\",\"operator\":\"" operator"\",\"values\":[" values "]}"
#define ONE(key, operator, values) TERMS(TERM(IS(key, operator, values)))

static const struct {
    const char *spec;
    bool matches;
} rows[] = {
    {"{}", true},
    {"{\"nodeSelector\":{}}", true},
    {"{\"nodeSelector\":{\"zone\":\"a\"}}", true},
    {"{\"nodeSelector\":{\"zone\":\"b\"}}", false},
    {"{\"nodeSelector\":{\"disk\":\"ssd\"}}", false},
    {"{\"nodeSelector\":{\"zone\":\"a\",\"disk\":\"ssd\"}}", false},
    {"{\"nodeSelector\":{\"zone\":1}}", false},

    {ONE("zone", "In", "\"a\""), true},
    {ONE("zone", "In", "\"b\",\"a\""), true},
    {ONE("zone", "In", "\"b\""), false},
    {ONE("zone", "In", ""), false},
    {ONE("disk", "In", "\"ssd\""), false},
    {ONE("zone", "NotIn", "\"b\""), true},
    {ONE("zone", "NotIn", "\"a\",\"b\""), false},
    {ONE("disk", "NotIn", "\"ssd\""), true}, /* a label that is absent has none of the values */
    {ONE("gpu", "Exists", ""), true},
    {ONE("disk", "Exists", ""), false},
    {ONE("gpu", "DoesNotExist", ""), false},
    {ONE("disk", "DoesNotExist", ""), true},
    {ONE("cores", "Gt", "\"8\""), true},
    {ONE("cores", "Gt", "\"16\""), false},
    {ONE("cores", "Lt", "\"17\""), true},
    {ONE("cores", "Lt", "\"16\""), false},
    {ONE("cores", "Gt", "\"8\",\"9\""), false},
    {ONE("cores", "Gt", "\"eight\""), false},
    {ONE("zone", "Gt", "\"8\""), false},
    {ONE("gpu", "Lt", "\"8\""), false},
    {ONE("disk", "Lt", "\"8\""), false},
    {ONE("cores", "Lt", "\"99999999999999999999\""), false},
    {ONE("zone", "Is", "\"a\""), false},

    {TERMS(TERM(IS("zone", "In", "\"a\"") "," IS("cores", "Gt", "\"8\""))), true}, /* all of a term */
    {TERMS(TERM(IS("zone", "In", "\"a\"") "," IS("cores", "Gt", "\"99\""))), false},
    {TERMS(TERM(IS("zone", "In", "\"b\"")) "," TERM(IS("cores", "Gt", "\"8\""))),
     true}, /* any of the terms */
    {TERMS(TERM(IS("zone", "In", "\"b\"")) "," TERM(IS("cores", "Gt", "\"99\""))), false},
    {TERMS(""), false},
    {TERMS("{}"), false}, /* an empty term matches nothing */
    {TERMS(TERM("")), false},
    {TERMS("{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"n1\"]}]}"), false},
    {"{\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":null}}}", true},
    {"{\"affinity\":{\"nodeAffinity\":{\"preferredDuringSchedulingIgnoredDuringExecution\":[]}}}", true},
    {"{\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":7}}}", false},
    {TERMS("7"), false},
    {TERMS("{\"matchExpressions\":[7]}"), false},
};

static void nodes_match_as_the_table_says(void **state)
{
    SCOPED(json) json_t *labels = json_loads(NODE, 0, NULL);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED(json) json_t *spec = json_loads(rows[i].spec, 0, NULL);
        assert_non_null(spec);
        if (node_selector_matches(spec, labels) != rows[i].matches)
            fail_msg("want %s: %s", rows[i].matches ? "a match" : "no match", rows[i].spec);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nodes_match_as_the_table_says)};
    return cmocka_run_group_tests_name("node selector", tests, NULL, NULL);
}
