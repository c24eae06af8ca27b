/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap.h - the Test Anything Protocol for the unit tests.
 */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int tap_count, tap_failures;

/** One test: OK, and what was tested in printf()'s words.  Returns OK. */
__attribute__((format(printf, 2, 3))) static inline int ok(int ok, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    printf("%sok %d - ", ok ? "" : "not ", ++tap_count);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    tap_failures += !ok;
    return ok;
}

/** One test: GOT is WANTED; either may be NULL. */
static inline int is(const char *got, const char *wanted, const char *what)
{
    int same = got && wanted ? !strcmp(got, wanted) : got == wanted;

    if (!ok(same, "%s", what)) {
        printf("#      got: %s\n# expected: %s\n", got ? got : "(NULL)", wanted ? wanted : "(NULL)");
    }
    return same;
}

/** The last thing that main() does: return done(); */
static inline int done(void)
{
    printf("1..%d\n", tap_count);
    return tap_failures || !tap_count;
}

#endif /* TAP_H */
