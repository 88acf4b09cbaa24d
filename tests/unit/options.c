/* options.c: how MSPACE_CONF and its shorthands are read (src/os/options.h). */
#include "api/life.h"
#include "os/options.h"
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct options defaults;

static void restore_defaults(void) { options = defaults; }

/* Restored at the end, or the last test's stats=1 would print them. */
__attribute__((constructor)) static void keep_defaults(void)
{
    options_read(&(struct os_process){.is_secure = true});
    defaults = options;
    atexit(restore_defaults);
}

/* Reads this environment, a list of strings that NULL ends. */
static void read_all(bool is_secure, const char *const *environment)
{
    struct os_process given = {.environment = (char **)(uintptr_t)environment, .is_secure = is_secure};
    options_read(&given);
}

/* Preloaded, or this machine's own file of defaults would be read. */
#define READ(...) read_all(false, (const char *const[]){"LD_PRELOAD=libmspace.so", __VA_ARGS__, NULL})
#define CONF(value) READ("MSPACE_CONF=" value)

static bool are_defaults(void) { return memcmp(&options, &defaults, sizeof options) == 0; }

static void options_are_read(void)
{
    CONF("mode=hardened,on_error=report,dirty=3,huge=7M,mremap=0,disable=1,stats=1,verbose=1,help=1");
    require(options.mode == MODE_HARDENED && options.on_error == ON_ERROR_REPORT && options.dirty == 3 && options.huge == 7 * MIB,
            "choices, sizes\n");
    require(!options.mremap && options.disable && options.stats && options.verbose && options.help, "flags\n");
    CONF("on_error=ignore,mode=fast,mremap=1");
    require(options.mode == MODE_FAST && options.on_error == ON_ERROR_IGNORE && options.mremap, "the other choices\n");
    READ("PATH=/bin", "MSPACE_CONFX=dirty=1", "XMSPACE_CONF=dirty=1", "MSPACE_CONF=stats=1", "HOME=/");
    require(options.stats && options.dirty == defaults.dirty, "among other variables\n");
    READ("PATH=/bin");
    require(are_defaults(), "nothing said\n");
}

static void sizes_take_units(void)
{
    static const struct {
        const char *text;
        size_t size;
    } good[] = {{"0", 0},
                {"1", 1},
                {"4096", 4096},
                {"2K", 2048},
                {"2k", 2048},
                {"3M", 3 * MIB},
                {"3m", 3 * MIB},
                {"5G", 5 * GIB},
                {"5g", 5 * GIB},
                {"007", 7},
                {"1000000000G", 1000000000 * GIB},
                {"1.5M", 3 * MIB / 2},
                {"0.25K", 256},
                {"2.0G", 2 * GIB}};
    static const char *const bad[] = {
        "", "K", "-1", "1.5", "1.M", ".5M", "1.5.5M", "1.99999999999999999999M", "1MB", "M1", "0x10", " 1", "1 ",
        "12345678901234567890", "99999999999999999999999999G", "1T",
        "0.0000000000000000000000000000000000000000000000000000000000000001M"};
    char text[200];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(text, sizeof text, "MSPACE_CONF=dirty=%s", good[i].text);
        READ(text);
        require(options.dirty == good[i].size, "%s is read as %zu\n", good[i].text, options.dirty);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "MSPACE_CONF=dirty=%s,stats=1", bad[i]);
        READ(text);
        require(options.dirty == defaults.dirty, "%s is read as %zu\n", bad[i], options.dirty);
        require(options.stats, "what follows '%s' is not read\n", bad[i]);
    }
}

static void limits_are_one_size_or_two(void)
{
    CONF("limit=2G:1.5G");
    require(options.limit.hard == 2 * GIB && options.limit.soft == 3 * GIB / 2, "two\n");
    CONF("limit=64M");
    require(options.limit.hard == 64 * MIB && options.limit.soft == 56 * MIB, "one: seven eighths are the other\n");
    static const char *const bad[] = {"", ":", "1G:", ":1G", "1G:2G", "1G:x", "1G:1M:1M", "x:1M"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[100];
        snprintf(text, sizeof text, "MSPACE_CONF=limit=%s", bad[i]);
        READ(text);
        require(options.limit.hard == 0 && options.limit.soft == 0, "%s is read\n", bad[i]);
    }
}

static void garbage_changes_nothing(void)
{
    static const char *const garbage[] = {
        "", ",", ",,,,", "=", "=1", "==", "stats", "stats=", "stats=2", "stats=yes", "stats=11", "stats =1", " stats=1",
        "STATS=1", "statistics=1", "stat=1", "mode=", "mode=fas", "mode=faster", "mode=fast|hardened", "mode=|",
        "on_error=abort,", "'", "''", "'stats=1", "stats='1", "stats=''", "'stats=1'", "\xff\xfe=\x80", "dirty", "help=0",
        "skip=", "nosuch=1,neither=2"};
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        char text[200];
        snprintf(text, sizeof text, "MSPACE_CONF=%s", garbage[i]);
        READ(text);
        require(options.skip.length == 0, "'%s' makes a list\n", garbage[i]);
        require(are_defaults(), "'%s' changes something\n", garbage[i]);
    }
}

static void an_empty_list_leaves_the_one_before(void)
{
    CONF("skip=ls,skip=");
    require(options.skip.length == 2, "skip= makes a list of %zu bytes\n", options.skip.length);
}

static void a_huge_environment_is_no_harm(void)
{
    static char text[(1 << 20) + 32] = "MSPACE_CONF=";
    memset(text + 12, 'x', 1 << 20);
    READ(text);
    require(are_defaults(), "a MiB of x\n");
    memset(text + 12, ',', 1 << 20);
    memcpy(text + 12 + (1 << 20), "stats=1", 8);
    READ(text);
    require(options.stats, "a MiB of commas\n");
}

static void the_last_of_a_key_wins(void)
{
    CONF("dirty=1,dirty=2,stats=1,dirty=3,stats=0");
    require(options.dirty == 3 && !options.stats, "the last\n");
    CONF("dirty=1,dirty=no");
    require(options.dirty == 1, "the last good one\n");
}

static void quotes_hold_commas(void)
{
    CONF("skip='git+a,b+ssh',stats=1");
    require(option_list_has(&options.skip, "a,b") && option_list_has(&options.skip, "git") && options.stats, "a quoted list\n");
    CONF("dirty='7',mode='hardened'");
    require(options.dirty == 7 && options.mode == MODE_HARDENED, "a quoted value of any kind\n");
}

static void lists_hold_words(void)
{
    CONF("skip=git+ssh+g");
    require(option_list_has(&options.skip, "git") && option_list_has(&options.skip, "ssh") && option_list_has(&options.skip, "g"),
            "its words\n");
    require(!option_list_has(&options.skip, "gi") && !option_list_has(&options.skip, "gitx") &&
                !option_list_has(&options.skip, "it+ssh"),
            "nothing else\n");
    CONF("stats=1");
    require(!option_list_has(&options.skip, "git") && !option_list_has(&options.skip, ""), "an empty list\n");
}

static void words_of_lists_may_have_a_plus(void)
{
    static const struct {
        const char *list, *word;
        bool is_there;
    } cases[] = {{"g++", "g++", true},
                 {"g++", "g", false},
                 {"g++", "g+", false},
                 {"clang+++ssh", "clang++", true},
                 {"clang+++ssh", "clang", false},
                 {"clang+++ssh", "ssh", true},
                 {"git+c++", "c++", true},
                 {"git+c++", "git", true},
                 {"git+c++", "c", false},
                 {"g++-12+c++filt", "g++-12", true},
                 {"g++-12+c++filt", "c++filt", true},
                 {"g++-12+c++filt", "c++", false},
                 {" git + c++ ", "git", true},
                 {" git + c++ ", "c++", true},
                 {" git + c++ ", "c", false},
                 {"+", "", false},
                 {"a++b", "b", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct word list = {cases[i].list, strlen(cases[i].list)};
        require(option_list_has(&list, cases[i].word) == cases[i].is_there, "'%s' in '%s'\n", cases[i].word, cases[i].list);
    }
}

static void shorthands_win(void)
{
    READ("MSPACE_CONF=stats=0,mode=fast,verbose=0,disable=0", "MSPACE_STATS=1", "MSPACE_MODE=hardened", "MSPACE_VERBOSE=1",
         "MSPACE_DISABLE=1");
    require(options.stats && options.mode == MODE_HARDENED && options.verbose && options.disable, "over MSPACE_CONF\n");
    READ("MSPACE_CONF=stats=1", "MSPACE_STATS=0");
    require(!options.stats, "to the other side too\n");
    READ("MSPACE_STATS=", "MSPACE_MODE=no", "MSPACE_VERBOSE=yes", "MSPACE_DISABLE=2", "MSPACE_HELP=1");
    require(are_defaults(), "bad ones\n");
}

static void privileged_programs_hear_nothing(void)
{
    read_all(true, (const char *const[]){"MSPACE_CONF=on_error=ignore,stats=1", "MSPACE_DISABLE=1", NULL});
    require(are_defaults(), "AT_SECURE\n");
    struct os_process given = {.environment = NULL};
    options_read(&given);
    require(are_defaults(), "no environment to be found\n");
}

/* --- what is said, by a process that has this environment --- */

static void nothing(void) { life_check(); }

/* Runs this program with one variable set; its standard error, which must be `wanted` with N for the process. */
static void expect_said(const char *name, const char *value, const char *other, const char *wanted)
{
    int ends[2], status;
    char said[8192], line[1024];
    size_t length = 0;
    require(pipe(ends) == 0, "pipe\n");
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        setenv(name, value, 1);
        if (other) setenv(other, "1", 1);
        execl("/proc/self/exe", "unit", "nothing", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    for (ssize_t n; (n = read(ends[0], said + length, sizeof said - 1 - length)) > 0;) length += (size_t)n;
    close(ends[0]);
    said[length] = '\0';
    require(waitpid(child, &status, 0) == child && status == 0, "it failed\n");
    snprintf(line, sizeof line, wanted, (int)child);
    bool is_right = *wanted && wanted[strlen(wanted) - 1] != '\n' ? strstr(said, line) != NULL : strcmp(said, line) == 0;
    require(is_right, "%s=%s: said '%s', not '%s'\n", name, value, said, line);
}

static void complaints_are_heard_under_verbose_only(void)
{
    expect_said("MSPACE_CONF", "bogus=1,stats=7", NULL, "");
    expect_said("MSPACE_CONF", "bogus=1", "MSPACE_VERBOSE",
                "mspace[%d]: ignored 'bogus=1': no such option, value or file; MSPACE_CONF=help=1 lists them\n");
    expect_said("MSPACE_CONF", "mode=slow,verbose=1", NULL,
                "mspace[%d]: ignored 'mode=slow': no such option, value or file; MSPACE_CONF=help=1 lists them\n");
    expect_said("MSPACE_MODE", "slow", "MSPACE_VERBOSE",
                "mspace[%d]: ignored 'MSPACE_MODE=slow': no such option, value or file; MSPACE_CONF=help=1 lists them\n");
    expect_said("MSPACE_CONF", "dirty=1M", "MSPACE_VERBOSE", "");
}

/* Each once, though MSPACE_CONF is read twice; of very many some. */
static void every_complaint_is_heard(void)
{
    static const char LINE[] = "': no such option, value or file; MSPACE_CONF=help=1 lists them\n";
    char wanted[1024];
    snprintf(wanted, sizeof wanted,
             "mspace[%%1$d]: ignored 'foo=1%smspace[%%1$d]: ignored 'bar=2%smspace[%%1$d]: ignored 'mode=hard%s", LINE, LINE,
             LINE);
    expect_said("MSPACE_CONF", "foo=1,bar=2,mode=hard", "MSPACE_VERBOSE", wanted);
    expect_said("MSPACE_CONF", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z", "MSPACE_VERBOSE",
                "mspace[%d]: ignored 'h'");
}

static void help_lists_the_options(void)
{
    expect_said("MSPACE_CONF", "help=1", NULL, "mspace[%d]: mode=fast|hardened  ");
    expect_said("MSPACE_CONF", "help=1", NULL, "mspace[%d]: dirty=BYTES[K|M|G]  ");
    expect_said("MSPACE_CONF", "help=1", NULL, "mspace[%d]: help=0|1  1 prints this list at start");
}

/* --- the file of defaults --- */

static const char FILE_NAME[] = "unit_options.conf";

static void write_file(const char *text, size_t length)
{
    int fd = open(FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    require(fd >= 0 && write(fd, text, length) == (ssize_t)length && close(fd) == 0, "cannot write %s\n", FILE_NAME);
}

/* With this file, as the program "git". */
static void read_with_file(const char *text, const char *conf)
{
    const char *environment[] = {"LD_PRELOAD=/lib/libmspace.so.0", conf, NULL};
    struct os_process given = {.environment = (char **)(uintptr_t)environment, .name = "git"};
    write_file(text, strlen(text));
    options_read(&given);
    unlink(FILE_NAME);
}
#define FILE_AND(conf) "MSPACE_CONF=file=unit_options.conf" conf

static void file_holds_defaults_for_all_and_for_some(void)
{
    read_with_file("dirty=1\n# stats=1\n\n \thuge=3M,\r\n[ssh+gi]\ndirty=2\n[sh+git]\nmremap=0,mode=hardened\n[gitx]\nmremap=1\n",
                   FILE_AND(""));
    require(options.dirty == 1 && options.huge == 3 * MIB && !options.stats, "lines for all\n");
    require(!options.mremap && options.mode == MODE_HARDENED, "a section\n");
    read_with_file("skip=a+b", FILE_AND(",stats=1"));
    require(option_list_has(&options.skip, "b") && options.stats, "a last line without its end\n");
}

static void environment_wins_over_the_file(void)
{
    read_with_file("dirty=1\nhuge=1\nstats=1\n", FILE_AND(",dirty=2"));
    require(options.dirty == 2 && options.huge == 1 && options.stats, "MSPACE_CONF\n");
}

static void bad_files_change_nothing(void)
{
    static char text[10000];
    static const char *const bad[] = {"", "\n", "[", "]", "[]\n", "[git", "=\n=", "dirty", "nosuch=1\nneither=2", "\xff\xfe"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        read_with_file(bad[i], FILE_AND(""));
        options.file = defaults.file;
        require(are_defaults(), "'%s' changes something\n", bad[i]);
    }
    memset(text, '\n', sizeof text - 1);
    memcpy(text, "stats=1", 7);
    read_with_file(text, FILE_AND(""));
    require(!options.stats, "more than 4 KiB count in part\n");
    READ("MSPACE_CONF=file=no/such/file,dirty=7");
    require(options.dirty == 7, "what stands behind a file that is not there\n");
    READ("MSPACE_CONF=file=.,dirty=7");
    require(options.dirty == 7, "behind a folder\n");
    require(mkfifo(FILE_NAME, 0600) == 0, "mkfifo: errno %d\n", errno);
    READ(FILE_AND(",dirty=7")); /* and comes back */
    unlink(FILE_NAME);
    require(options.dirty == 7, "behind a pipe that nobody writes into\n");
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "MSPACE_CONF=file=", 17);
    READ(text);
}

static void setuid_programs_read_no_file(void)
{
    write_file("stats=1\n", 8);
    read_all(true, (const char *const[]){FILE_AND(""), NULL});
    unlink(FILE_NAME);
    require(are_defaults(), "a setuid program reads what a user says\n");
}

/* --- LD_PRELOAD --- */

static void preload_is_known_and_forgotten(void)
{
    static const struct {
        const char *before, *after; /* after: NULL, the variable is gone */
    } cases[] = {{"libmspace.so", NULL},
                 {"/a/b/libmspace.so.0", NULL},
                 {" :libmspace.so: ", NULL},
                 {"x.so:/a/libmspace.so", "x.so:"},
                 {"libmspace.so y.so", "y.so"},
                 {"x.so libmspace.so:y.so", "x.so y.so"},
                 {"libmspace.so:./libmspace.so:y.so", "y.so"},
                 {"x.so:y.so", "x.so:y.so"},
                 {"/libmspace.so/x.so", "/libmspace.so/x.so"},
                 {"mylibmspace.so", "mylibmspace.so"},
                 {"", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[100], *environment[] = {(char[]){"A=1"}, text, (char[]){"B=2"}, NULL};
        struct os_process given = {.environment = environment};
        bool is_there = strcmp(cases[i].before, cases[i].after ? cases[i].after : "none") != 0;
        snprintf(text, sizeof text, "LD_PRELOAD=%s", cases[i].before);
        require(os_is_preloaded(&given) == is_there, "'%s'\n", cases[i].before);
        os_forget_preload(&given);
        if (is_there && !cases[i].after) require(environment[1][0] == 'B' && !environment[2], "'%s' stays\n", cases[i].before);
        else
            require(cases[i].after ? strcmp(text + 11, cases[i].after) == 0 : environment[1] != text, "'%s' becomes '%s'\n",
                    cases[i].before, text);
    }
}

UNIT_MAIN(PROMISE(options_are_read), PROMISE(sizes_take_units), PROMISE(limits_are_one_size_or_two),
          PROMISE(garbage_changes_nothing), PROMISE(an_empty_list_leaves_the_one_before), PROMISE(a_huge_environment_is_no_harm),
          PROMISE(the_last_of_a_key_wins), PROMISE(quotes_hold_commas), PROMISE(lists_hold_words),
          PROMISE(words_of_lists_may_have_a_plus), PROMISE(shorthands_win), PROMISE(privileged_programs_hear_nothing),
          PROMISE(complaints_are_heard_under_verbose_only), PROMISE(every_complaint_is_heard), PROMISE(help_lists_the_options),
          PROMISE(nothing), PROMISE(file_holds_defaults_for_all_and_for_some), PROMISE(environment_wins_over_the_file),
          PROMISE(bad_files_change_nothing), PROMISE(setuid_programs_read_no_file), PROMISE(preload_is_known_and_forgotten))
