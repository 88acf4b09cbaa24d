#include "options.h"
#include "report.h"

#include <string.h>

struct options options = {
#define CHOICE(key, value, words, help) .key = (value),
#define FLAG(key, value, help) .key = (value),
#define SIZE(key, value, help) .key = (value),
#define LIST(key, help) .key = {NULL, 0},
#include "options.def"
#undef CHOICE
#undef FLAG
#undef SIZE
#undef LIST
};

enum kind { KIND_CHOICE, KIND_FLAG, KIND_SIZE, KIND_LIST };

static const struct option {
    enum kind kind;
    const char *key, *values, *help;
    void *field;
} TABLE[] = {
#define CHOICE(key, value, words, help) {KIND_CHOICE, #key, words, help, &options.key},
#define FLAG(key, value, help) {KIND_FLAG, #key, "0|1", help, &options.key},
#define SIZE(key, value, help) {KIND_SIZE, #key, "BYTES[K|M|G]", help, &options.key},
#define LIST(key, help) {KIND_LIST, #key, "NAME[+NAME...]", help, &options.key},
#include "options.def"
#undef CHOICE
#undef FLAG
#undef SIZE
#undef LIST
};

/* The first complaint is kept for options_tell: at the time of reading the program has not begun. */
static struct word {
    const char *start;
    size_t length;
} rejected;

static bool word_is(struct word word, const char *string)
{
    return strlen(string) == word.length && memcmp(word.start, string, word.length) == 0;
}

/* Cuts the next word off `rest` at any of the bytes of `ends`, or at its end; the cut byte is dropped. */
static struct word cut(struct word *rest, char end)
{
    const char *found = rest->length ? memchr(rest->start, end, rest->length) : NULL;
    struct word word = {rest->start, found ? (size_t)(found - rest->start) : rest->length};
    size_t taken = word.length + (found != NULL);
    rest->start += taken;
    rest->length -= taken;
    return word;
}

static bool parse_choice(struct word value, const char *choices, unsigned *field)
{
    struct word rest = {choices, strlen(choices)};
    for (unsigned i = 0; rest.length; i++) {
        struct word choice = cut(&rest, '|');
        if (choice.length != value.length || memcmp(choice.start, value.start, value.length) != 0) continue;
        *field = i;
        return true;
    }
    return false;
}

static bool parse_size(struct word value, size_t *field)
{
    size_t n = 0, i = 0;
    for (; i < value.length && value.start[i] >= '0' && value.start[i] <= '9'; i++) {
        if (n > (SIZE_MAX >> 34)) return false; /* so that neither the digits nor G can overflow */
        n = n * 10 + (size_t)(value.start[i] - '0');
    }
    if (i == 0 || value.length - i > 1) return false;
    if (i < value.length) {
        switch (value.start[i]) {
        case 'K':
        case 'k': n *= KIB; break;
        case 'M':
        case 'm': n *= MIB; break;
        case 'G':
        case 'g': n *= GIB; break;
        default: return false;
        }
    }
    *field = n;
    return true;
}

static bool set(const struct option *option, struct word value)
{
    switch (option->kind) {
    case KIND_CHOICE: return parse_choice(value, option->values, option->field);
    case KIND_SIZE: return parse_size(value, option->field);
    case KIND_LIST:
        *(struct option_list *)option->field = (struct option_list){value.start, value.length};
        return value.length != 0;
    case KIND_FLAG:
        if (!word_is(value, "0") && !word_is(value, "1")) return false;
        *(bool *)option->field = value.start[0] == '1';
        return true;
    }
    return false;
}

static bool assign(struct word key, struct word value)
{
    for (size_t i = 0; i < sizeof TABLE / sizeof *TABLE; i++)
        if (word_is(key, TABLE[i].key)) return set(&TABLE[i], value);
    return false;
}

/* One `key=value` or `key='value'` off the front of `rest`; a quoted value may hold commas. */
static void parse_pair(struct word *rest)
{
    const char *start = rest->start;
    size_t i = 0;
    bool quoted = false;
    for (; i < rest->length && (quoted || start[i] != ','); i++) quoted ^= start[i] == '\'';
    struct word pair = {start, i}, value = pair;
    size_t taken = i + (i < rest->length);
    rest->start += taken;
    rest->length -= taken;
    struct word key = cut(&value, '=');
    if (value.length >= 2 && value.start[0] == '\'' && value.start[value.length - 1] == '\'')
        value = (struct word){value.start + 1, value.length - 2};
    if (pair.length && !assign(key, value) && !rejected.start) rejected = pair;
}

/* The value of NAME in the environment as it was at exec; a length of 0 and no start when absent. */
static struct word look_up(const struct os_process *process, const char *name)
{
    size_t n = strlen(name);
    for (char **entry = process->environment; entry && *entry; entry++)
        if (strncmp(*entry, name, n) == 0 && (*entry)[n] == '=') return (struct word){*entry + n + 1, strlen(*entry + n + 1)};
    return (struct word){NULL, 0};
}

static void read_shorthand(const struct os_process *process, const char *name, const char *key)
{
    struct word value = look_up(process, name);
    if (value.length && !assign((struct word){key, strlen(key)}, value) && !rejected.start)
        rejected = (struct word){name, strlen(name)};
}

void options_read(const struct os_process *process)
{
    if (process->is_secure) return;
    struct word rest = look_up(process, "MSPACE_CONF");
    while (rest.length) parse_pair(&rest);
    read_shorthand(process, "MSPACE_DISABLE", "disable");
    read_shorthand(process, "MSPACE_STATS", "stats");
    read_shorthand(process, "MSPACE_MODE", "mode");
    read_shorthand(process, "MSPACE_VERBOSE", "verbose");
}

static void tell_rejected(void)
{
    struct text text;
    report_begin(&text);
    text_string(&text, "ignored '");
    for (size_t i = 0; i < min_size(rejected.length, 80); i++) text_string(&text, (char[]){rejected.start[i], 0});
    text_string(&text, "' in the environment: no such option or no such value; MSPACE_CONF=help=1 lists them");
    report_line(&text);
}

static void tell_table(void)
{
    for (size_t i = 0; i < sizeof TABLE / sizeof *TABLE; i++) {
        struct text text;
        report_begin(&text);
        text_string(&text, TABLE[i].key);
        text_string(&text, "=");
        text_string(&text, TABLE[i].values);
        text_string(&text, "  ");
        text_string(&text, TABLE[i].help);
        report_line(&text);
    }
}

COLD void options_tell(void)
{
    if (options.verbose && rejected.start) tell_rejected();
    if (options.help) tell_table();
}

bool option_list_has(const struct option_list *list, const char *word)
{
    struct word rest = {list->words, list->length};
    while (rest.length)
        if (word_is(cut(&rest, '+'), word)) return true;
    return false;
}
