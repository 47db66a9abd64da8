#include "lifecycle-svc/ctl/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

void table_add(struct table *table, const struct table_row *row)
{
    table->rows = xrealloc_array(table->rows, table->count + 1, sizeof(*table->rows));
    table->rows[table->count++] = *row;
}

static int width_of(const struct table *table, int column)
{
    size_t width = strlen(table->heads[column]);

    for (size_t i = 0; i < table->count; i++)
        if (strlen(table->rows[i].cells[column]) > width)
            width = strlen(table->rows[i].cells[column]);
    return (int)width;
}

static void print_row(const struct table *table, const int *widths, const char *const *cells)
{
    for (int c = 0; table->heads[c]; c++) {
        const int last = !table->heads[c + 1]; /* no blanks at the end of a line */
        printf("%-*s%s", last ? 0 : widths[c], cells[c], last ? "\n" : "  ");
    }
}

void table_print(const struct table *table)
{
    int widths[TABLE_COLUMNS_MAX];

    for (int c = 0; table->heads[c]; c++)
        widths[c] = width_of(table, c);
    print_row(table, widths, table->heads);
    for (size_t i = 0; i < table->count; i++)
        print_row(table, widths, (const char *const *)table->rows[i].cells);
}

void table_done(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        for (int c = 0; table->heads[c]; c++)
            free(table->rows[i].cells[c]);
    free(table->rows);
}
