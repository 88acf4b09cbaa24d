#include "options.h"
#include "report.h"
#include "sys.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

enum kind { CHOICE, SIZE, LIMIT, WORD };

struct options options;
#define OPTION(kind, key, value, values, help) .key = value,
static const struct options AT_START = {
#include "options.def"
};
#undef OPTION

#define OPTION(kind, key, value, values, help) {kind, #key, values, help, &options.key},
static const struct option {
    enum kind kind;
    const char *key, *values, *help;
    void *field;
} TABLE[] = {
#include "options.def"
};
#undef OPTION

/* The first complaints are kept for options_tell: at the time of reading the program has not begun. */
static struct word rejected[8] __attribute__((aligned(4096))); /* before the small data (CMakeLists.txt) */
static unsigned nrejected;

static void reject(struct word word)
{
    if (nrejected < sizeof rejected / sizeof *rejected) rejected[nrejected++] = word;
}

static struct word word_of(const char *string) { return (struct word){string, strlen(string)}; }
static bool are_same(struct word a, struct word b) { return a.length == b.length && memcmp(a.start, b.start, a.length) == 0; }
static bool word_is(struct word word, const char *string) { return are_same(word, word_of(string)); }

/* Cuts the next word off `rest` at `end`, or where it ends itself; the byte is dropped. A comma may stand in quotes. */
static struct word cut(struct word *rest, char end)
{
    struct word word = {rest->start, 0};
    bool is_quoted = false;
    for (; word.length < rest->length && (is_quoted || word.start[word.length] != end); word.length++)
        is_quoted ^= end == ',' && word.start[word.length] == '\'';
    size_t taken = word.length + (word.length < rest->length);
    rest->start += taken;
    rest->length -= taken;
    return word;
}

static bool parse_choice(struct word value, const char *choices, unsigned *field)
{
    struct word rest = word_of(choices);
    for (unsigned i = 0; rest.length; i++)
        if (are_same(cut(&rest, '|'), value)) return *field = i, true;
    return false;
}

static size_t unit_of(struct word word)
{
    if (word.length == 0) return 1;
    if (word_is(word, "K") || word_is(word, "k")) return KIB;
    if (word_is(word, "M") || word_is(word, "m")) return MIB;
    return word_is(word, "G") || word_is(word, "g") ? GIB : 0;
}

/* 4096, 64K, 1.5G. */
static bool parse_size(struct word value, size_t *field)
{
    size_t n = 0, ndigits = 0, power = 0; /* of ten, from the point on */
    for (; value.length; value.start++, value.length--) {
        unsigned digit = (unsigned)value.start[0] - '0';
        if (digit > 9 && (value.start[0] != '.' || power || !ndigits)) break;
        if (max_size(n, power) > SIZE_MAX >> 34) return false; /* so that neither the digits nor G can overflow */
        if (digit <= 9) n = n * 10 + digit, power *= 10, ndigits++;
        else power = 1;
    }
    size_t unit = unit_of(value);
    if (!ndigits || !unit || power == 1 || (power && unit == 1)) return false;
    *field = n * unit / max_size(power, 1);
    return true;
}

static bool parse_limit(struct word value, struct option_limit *field)
{
    size_t length = value.length;
    struct word hard = cut(&value, ':');
    struct option_limit limit;
    if (!parse_size(hard, &limit.hard)) return false;
    limit.soft = limit.hard / 8 * 7;
    if (hard.length < length && (!parse_size(value, &limit.soft) || limit.soft > limit.hard)) return false;
    *field = limit;
    return true;
}

static bool set(const struct option *option, struct word value)
{
    switch (option->kind) {
    case CHOICE: return parse_choice(value, option->values, option->field);
    case SIZE: return parse_size(value, option->field);
    case LIMIT: return parse_limit(value, option->field);
    case WORD:
        if (value.length) *(struct word *)option->field = value;
        return value.length != 0;
    }
    return false;
}

static bool assign(struct word key, struct word value)
{
    for (size_t i = 0; i < sizeof TABLE / sizeof *TABLE; i++)
        if (word_is(key, TABLE[i].key)) return set(&TABLE[i], value);
    return false;
}

/* One `key=value` or `key='value'` off the front of `rest`. */
static void parse_pair(struct word *rest)
{
    struct word pair = cut(rest, ','), value = pair, key = cut(&value, '=');
    if (value.length >= 2 && value.start[0] == '\'' && value.start[value.length - 1] == '\'')
        value = (struct word){value.start + 1, value.length - 2};
    if (pair.length && !assign(key, value)) reject(pair);
}

/* The value of NAME in the environment as it was at exec; a length of 0 and no start when absent. */
static struct word look_up(const struct os_process *process, const char *name)
{
    for (char **entry = process->environment; entry && *entry; entry++) {
        const char *rest = text_behind(name, *entry);
        if (rest && *rest == '=') return word_of(rest + 1);
    }
    return (struct word){NULL, 0};
}

static void read_shorthand(const struct os_process *process, const char *name, const char *key)
{
    struct word value = look_up(process, name);
    size_t before = strlen(name) + 1; /* and the '=' */
    if (value.length && !assign(word_of(key), value)) reject((struct word){value.start - before, before + value.length});
}

/* --- the file of defaults --- */

static char contents[4096] __attribute__((aligned(4096))); /* for good: lists point into it */

static struct word read_file(const char *path)
{
    long fd = os_call(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, 0, 0), n;
    size_t length = 0;
    if (fd < 0) return (struct word){NULL, 0};
    while ((n = os_call(SYS_read, fd, (long)(contents + length), (long)(sizeof contents - length), 0, 0, 0)) > 0)
        length += (size_t)n;
    os_call(SYS_close, fd, 0, 0, 0, 0, 0);
    return (struct word){contents, length};
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static struct word trim(struct word line)
{
    while (line.length && is_blank(line.start[0])) line.start++, line.length--;
    while (line.length && is_blank(line.start[line.length - 1])) line.length--;
    return line;
}

/* Lines of pairs; those behind [NAME+NAME] are for programs of these names. */
static void parse_file(struct word rest, const char *program)
{
    bool is_meant = true;
    if (rest.length == sizeof contents) reject((struct word){rest.start, 40}); /* perhaps cut off: none of it counts */
    while (rest.length && rest.length < sizeof contents) {
        struct word line = trim(cut(&rest, '\n'));
        if (!line.length || line.start[0] == '#') continue;
        if (line.start[0] == '[' && line.start[line.length - 1] == ']')
            is_meant = program && option_list_has(&(struct word){line.start + 1, line.length - 2}, program);
        else
            while (is_meant && line.length) parse_pair(&line);
    }
}

static void read_defaults(const struct os_process *process)
{
    char path[256] = "/etc/mspace.conf";
    struct word file = options.file;
    if (!file.length && os_is_preloaded(process)) return; /* somebody has named the library for this run alone */
    if (file.length >= sizeof path) return reject(file);
    if (file.length) memcpy(path, file.start, file.length), path[file.length] = 0;
    struct word text = read_file(path);
    if (file.length && !text.start) reject(file);
    parse_file(text, process->name);
}

/* --- the environment --- */

static void read_conf(const struct os_process *process)
{
    struct word rest = look_up(process, "MSPACE_CONF");
    while (rest.length) parse_pair(&rest);
}

void options_read(const struct os_process *process)
{
    options = AT_START;
    if (process->is_secure) return;
    read_conf(process); /* for file=; and again, to win, and to be complained of */
    nrejected = 0;
    read_defaults(process);
    read_conf(process);
    read_shorthand(process, "MSPACE_DISABLE", "disable");
    read_shorthand(process, "MSPACE_STATS", "stats");
    read_shorthand(process, "MSPACE_MODE", "mode");
    read_shorthand(process, "MSPACE_VERBOSE", "verbose");
}

static void tell_rejected(struct word word)
{
    struct text text;
    report_begin(&text);
    text_string(&text, "ignored '");
    for (size_t i = 0; i < min_size(word.length, 80); i++) text_string(&text, (char[]){word.start[i], 0});
    text_string(&text, "': no such option, value or file; MSPACE_CONF=help=1 lists them");
    report_line(&text);
}

static void tell_table(void)
{
    for (size_t i = 0; i < sizeof TABLE / sizeof *TABLE; i++) {
        struct text text;
        report_begin(&text);
        const char *const parts[] = {TABLE[i].key, "=", TABLE[i].values, "  ", TABLE[i].help};
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) text_string(&text, parts[k]);
        report_line(&text);
    }
}

COLD void options_tell(void)
{
    for (size_t i = 0; options.verbose && i < nrejected; i++) tell_rejected(rejected[i]);
    if (options.help) tell_table();
}

bool option_list_has(const struct word *list, const char *word)
{
    size_t length = strlen(word);
    for (size_t from = 0; length && from + length <= list->length; from++) {
        struct word here = {list->start + from, length}, rest = {here.start + length, list->length - length - from};
        bool begins = from == 0 || here.start[-1] == '+' || is_blank(here.start[-1]);
        bool ends = !rest.length || is_blank(rest.start[0]) || (rest.length > 1 && rest.start[0] == '+' && rest.start[1] != '+');
        if (begins && ends && word_is(here, word)) return true;
    }
    return false;
}
