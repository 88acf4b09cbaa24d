/* modern.c: compiled for a processor of 2013, to be refused by portable.sh. */
int modern(int *p, const int *q);
int modern(int *p, const int *q)
{
    for (int i = 0; i < 1024; i++) p[i] += q[i] * 3;
    return __builtin_popcount((unsigned)p[0]);
}
