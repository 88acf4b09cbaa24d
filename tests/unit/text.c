/* text.c: laws of the lines that are put together without stdio (src/base/text.h). */
#include "base/text.h"
#include "unit.h"

static struct text text;

static void expect(const char *wanted)
{
    require(text.length == strlen(wanted) && memcmp(text.bytes, wanted, text.length) == 0, "'%.*s' is not '%s'\n",
            (int)text.length, text.bytes, wanted);
}

static void text_writes_numbers_as_printf_does(void)
{
    static const uint64_t numbers[] = {0, 1, 9, 10, 16, 99, 100, 4095, 4096, 0x7fffffffffffffff, UINT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char wanted[64];
        text.length = 0;
        text_decimal(&text, numbers[i]);
        text_string(&text, " ");
        text_pointer(&text, (void *)numbers[i]);
        snprintf(wanted, sizeof wanted, "%llu 0x%llx", (unsigned long long)numbers[i], (unsigned long long)numbers[i]);
        expect(wanted);
    }
}

static void text_is_cut_not_overrun(void)
{
    struct {
        struct text text;
        char behind[64];
    } guarded;
    memset(guarded.behind, 0x77, sizeof guarded.behind);
    guarded.text.length = 0;
    for (int i = 0; i < 100; i++) {
        text_string(&guarded.text, "0123456789");
        text_decimal(&guarded.text, UINT64_MAX);
        text_pointer(&guarded.text, &guarded);
        require(guarded.text.length <= sizeof guarded.text.bytes, "%zu bytes\n", guarded.text.length);
    }
    require(is_filled(guarded.behind, sizeof guarded.behind, 0x77), "written past the end\n");
    require(memcmp(guarded.text.bytes, "012345678918446744073709551615", 30) == 0, "what fits is kept\n");
}

static void text_takes_null_for_nothing(void)
{
    text.length = 0;
    text_string(&text, NULL);
    text_string(&text, "");
    expect("");
}

UNIT_MAIN(PROMISE(text_writes_numbers_as_printf_does), PROMISE(text_is_cut_not_overrun), PROMISE(text_takes_null_for_nothing))
