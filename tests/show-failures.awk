# show-failures.awk - what each program that failed had to say, from the output of `ctest -V`; exit status 1: none failed.
#
# Several programs may have run at once, so every line of one begins with the number of its test. Of a case that failed it shows
# the last lines before "[  FAILED  ]", where CMocka says why, and the first after it, where cases.sh does; of a sanitizer's report
# the beginning; of a program that ended without either, the end.

BEGIN { BEFORE = 60; AFTER = 75; REPORT = 40; END_LINES = 60; LINES_MAX = 150; WIDTH_MAX = 500 }

{ sub(/\r$/, "") }

/^[0-9]+: / {
    test = $1 + 0
    line[test, ++count[test]] = substr($0, index($0, ": ") + 2)
    next
}

/^ *[0-9]+\/[0-9]+ Test +#[0-9]+:/ {
    match($0, /#[0-9]+/)
    test = substr($0, RSTART + 1, RLENGTH - 1) + 0
    if (!/   Passed / && !/\*\*\*Skipped/) {
        failed++
        print
        show(test)
    }
    for (i = 1; i <= count[test]; i++)
        delete line[test, i]
    delete count[test]
}

END { exit failed == 0 }

function mark(from, to, i) {
    for (i = from < 1 ? 1 : from; i <= to; i++)
        wanted[i] = 1
    something = 1
}

# A case goes from its "[ RUN      ]" to the next line in brackets that begins a case or ends them all; what the totals repeat is
# no case's.
function mark_cases(test, n, i, text, begin, after) {
    begin = after = 0
    for (i = 1; i <= n; i++) {
        text = line[test, i]
        if (text ~ /^\[ RUN      \]/) {
            begin = i
            after = 0
        } else if (text ~ /^\[==========\]/) {
            begin = after = 0
        } else if (begin && text ~ /^\[  FAILED  \]/) {
            mark(i - BEFORE > begin ? i - BEFORE : begin, i)
            after = AFTER
        } else if (after > 0) {
            wanted[i] = 1
            after--
        }
        if (text ~ /(ERROR|WARNING): [A-Za-z]+Sanitizer|: runtime error: /) {
            if (begin)
                mark(begin, begin)
            mark(i, i + REPORT < n ? i + REPORT : n)
        }
    }
}

function show(test, n, i, shown, last) {
    n = count[test]
    split("", wanted)
    something = 0
    mark_cases(test, n)
    if (!something)
        mark(n - END_LINES + 1, n)
    shown = last = 0
    for (i = 1; i <= n && shown < LINES_MAX; i++) {
        if (!(i in wanted))
            continue
        if (i > last + 1)
            print "    ..."
        print "    " substr(line[test, i], 1, WIDTH_MAX)
        last = i
        shown++
    }
    if (last < n)
        print "    ..."
}
