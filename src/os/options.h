/* options.h - what the environment asks for: MSPACE_CONF="key=value,key=value" and four shorthands; and a file of defaults.
 *
 * Read once, at start, from the initial environment; ignored in AT_SECURE programs. A value may be quoted: '...'. The file,
 * /etc/mspace.conf or that of file=, has pairs on lines of their own, `#` comments, and sections: what follows a line [NAME+NAME]
 * is for programs of these names. It is opened when file= asks for it, or when LD_PRELOAD does not name this library
 * (/etc/ld.so.preload does, or the program is linked with it): a run by hand opens nothing. Less than 4 KiB. Unknown keys and bad
 * values change nothing, and the first eight are told in a line each under verbose=1 only. Zero before start (so fast, abort and
 * auto are 0), constant after; looked at in slow rungs alone. The table is options.def. */
#ifndef MSPACE_OPTIONS_H
#define MSPACE_OPTIONS_H

#include "process.h"

enum mode { MODE_FAST, MODE_HARDENED };
enum deepbind { DEEPBIND_AUTO, DEEPBIND_CLEAR, DEEPBIND_KEEP };
enum on_error { ON_ERROR_ABORT, ON_ERROR_REPORT, ON_ERROR_IGNORE };

struct word {
    const char *start; /* the program's own bytes, not terminated by NUL */
    size_t length;
};

struct option_limit {
    size_t hard, soft; /* bytes; 0 none */
};

#define OPTION_CHOICE unsigned
#define OPTION_SIZE size_t
#define OPTION_LIMIT struct option_limit
#define OPTION_WORD struct word

struct options {
#define OPTION(kind, key, ...) OPTION_##kind key;
#include "options.def"
#undef OPTION
};

extern struct options options;

/* Reads the file, MSPACE_CONF and the shorthands of `process`; the later of these win. */
void options_read(const struct os_process *process);

/* Prints what was rejected under verbose=1, and the list of options under help=1. After start: never a line before the program
 * could run. */
void options_tell(void);

/* Whether `word` stands in the list, whose words are joined by '+' or blanks. A '+' before another, or at the end, joins nothing
 * but is a word's own: c++. */
bool option_list_has(const struct word *list, const char *word);

#endif
