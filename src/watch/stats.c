/* stats.c - sums over the walk. */
#include "../os/report.h"
#include "../span/span.h"
#include "watch.h"

static int add(const struct mspace_item *item, void *argument)
{
    struct watch_totals *totals = argument;
    if (item->kind == MSPACE_BLOCK) {
        if (item->state != MSPACE_LIVE) return 0;
        totals->live += item->size;
        totals->nlive++;
        return 0;
    }
    switch (item->state) {
    case MSPACE_LIVE: totals->used += item->size; break;
    case MSPACE_FREE: totals->dirty += item->size; break;
    case MSPACE_CLEAN: totals->clean += item->size; break;
    default: return 0;
    }
    totals->range += item->size;
    return 0;
}

void watch_count(struct watch_totals *totals)
{
    *totals = (struct watch_totals){0};
    watch_walk(add, totals);
    size_t dirty = min_size(PEEK(spans.totals.dirty) << SLICE_SHIFT, totals->dirty); /* a free span may be so in part */
    totals->clean += totals->dirty - dirty;
    totals->dirty = dirty;
}

static void line(const char *before, size_t number, const char *after)
{
    struct text text;
    report_begin(&text);
    text_string(&text, before);
    text_decimal(&text, number);
    text_string(&text, after);
    report_line(&text);
}

COLD void watch_print(void)
{
    struct watch_totals totals;
    watch_count(&totals);
    line("live blocks       ", totals.nlive, "");
    line("live bytes        ", totals.live, " (usable sizes)");
    line("spans in use      ", totals.used, " bytes");
    line("free, for reuse   ", totals.dirty, " bytes");
    line("free, untouched   ", totals.clean, " bytes");
    line("heap range        ", totals.range, " bytes");
}
