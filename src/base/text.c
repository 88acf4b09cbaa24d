#include "text.h"

static void text_byte(struct text *text, char byte)
{
    if (text->length < sizeof text->bytes) text->bytes[text->length++] = byte;
}

void text_string(struct text *text, const char *string)
{
    while (string && *string) text_byte(text, *string++);
}

static void text_number(struct text *text, uint64_t number, unsigned base)
{
    char digits[20]; /* 2^64 has 20 digits in base ten */
    unsigned n = 0;
    do digits[n++] = "0123456789abcdef"[number % base];
    while ((number /= base) != 0);
    while (n) text_byte(text, digits[--n]);
}

void text_decimal(struct text *text, uint64_t number) { text_number(text, number, 10); }

void text_pointer(struct text *text, const void *pointer)
{
    text_string(text, "0x");
    text_number(text, (uintptr_t)pointer, 16);
}

const char *text_base_name(const char *path)
{
    for (const char *at = path; at && *at; at++)
        if (*at == '/') path = at + 1;
    return path;
}
