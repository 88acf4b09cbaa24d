/* report.h - the only place that speaks: one line, one write(2) to standard error. Any thread, async-signal-safe. */
#ifndef MSPACE_REPORT_H
#define MSPACE_REPORT_H

#include "../base/text.h"

/* Starts a line with `mspace[PID]: `; report_line ends it with a newline and writes it. */
void report_begin(struct text *text);
void report_line(struct text *text);

#endif
