/*
 * columns: a matrix that is an array of pointers to rows, each a malloc of its own, transposed.
 *     columns [rows = 512] [transpositions = 400] [numbers of a row = rows]
 * As many columns as rows, of 8 bytes: rows of 512 numbers are blocks of 4 KiB. Longer rows are used in part: a piece of a
 * picture. Where the allocator puts them decides whether what lies one above the other meets in the same places of the processor's
 * caches. One op is one number read along a row and written down a column; malloc and free are not in the time. Row: columns-wide if
 * rows are longer.
 */
#include "bench.h"

enum { NROWS_MAX = 1 << 13 };

static double *from[NROWS_MAX], *to[NROWS_MAX];

int main(int argc, char **argv)
{
    long n = bench_argument(argc, argv, 1, 512), ntimes = bench_argument(argc, argv, 2, 400);
    long length = bench_argument(argc, argv, 3, n);
    require(n >= 1 && n <= NROWS_MAX, "rows: 1 to %d\n", NROWS_MAX);
    require(length >= n && length <= 1 << 24, "numbers of a row: %ld to %d\n", n, 1 << 24);
    for (long i = 0; i < n; i++) {
        from[i] = malloc((size_t)length * sizeof **from);
        to[i] = malloc((size_t)length * sizeof **to);
        require(from[i] != NULL && to[i] != NULL, "malloc refused\n");
        for (long k = 0; k < n; k++) from[i][k] = (double)(i * n + k);
    }
    uint64_t start = now_ns();
    for (long t = 0; t < ntimes; t++)
        for (long i = 0; i < n; i++)
            for (long k = 0; k < n; k++) to[k][i] = from[i][k] + (double)t;
    uint64_t ns = now_ns() - start;
    for (long i = 0; i < n; i++)
        for (long k = 0; k < n; k++) require(to[k][i] == from[i][k] + (double)(ntimes - 1), "row %ld, column %ld\n", k, i);
    bench_report(length > n ? "columns-wide" : "columns", ns, (uint64_t)(ntimes * n * n));
    return 0;
}
