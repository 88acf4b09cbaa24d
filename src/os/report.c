#include "report.h"
#include "sys.h"

#include <sys/syscall.h>

void report_begin(struct text *text)
{
    text->length = 0;
    text_string(text, "mspace[");
    text_decimal(text, (uint64_t)os_call(SYS_getpid, 0, 0, 0, 0, 0, 0));
    text_string(text, "]: ");
}

void report_line(struct text *text)
{
    if (text->length == sizeof text->bytes) text->length--;
    text->bytes[text->length++] = '\n';
    os_call(SYS_write, 2, (long)text->bytes, (long)text->length, 0, 0, 0);
}
