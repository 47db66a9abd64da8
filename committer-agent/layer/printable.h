/* printable.h - file names of any bytes, made fit for error texts, logs and status fields.
 * Printable ASCII stays; every other byte and the backslash become \xNN. Long paths keep their end,
 * which is the part a reader looks for, behind "...". */
#pragma once

#define PRINTABLE_SIZE 200

struct printable {
    char text[PRINTABLE_SIZE];
};

struct printable printable_path(const char *path); /* "" reads "/": the root of the tree */
