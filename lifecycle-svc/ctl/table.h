/* table.h - rows under heads on standard output, as wide as their widest cell. One thread. */
#pragma once

#include <stddef.h>

enum { TABLE_COLUMNS_MAX = 8 };

struct table_row {
    char *cells[TABLE_COLUMNS_MAX];
};

struct table {
    const char *heads[TABLE_COLUMNS_MAX + 1]; /* ends with NULL */
    struct table_row *rows;
    size_t count;
};

/* Takes the cells, as many as there are heads. */
void table_add(struct table *table, const struct table_row *row);
void table_print(const struct table *table);
void table_done(struct table *table);
#define SCOPED_TABLE __attribute__((cleanup(table_done)))
