# shellcheck shell=bash disable=SC2034,SC2154
# git: init, add, commit, repack and fsck on 1,000 files, with a history and branches.
needs="git"
packages="git"

prepare() {
    mkdir tree
    awk -v files="$(scaled 1000 200)" 'BEGIN {
        for (n = 0; n < files; n++) {
            file = sprintf("tree/d%02d-file%04d.txt", n % 37, n)
            for (line = 0; line < 40 + n % 50; line++) printf "line %d of %d: %d\n", line, n, (n * 31 + line) * 2654435761 % 1000003 >file
            close(file)
        }
    }'
}

main() {
    local round
    export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0
    export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org
    export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
    git -c init.defaultBranch=main init -q .
    git config gc.auto 0
    git config pack.threads 2
    cp -r "$in/tree" .
    git add .
    git commit -q -m 'first'
    for round in 1 2 3; do
        sed -i "s/line $round/changed in $round/" tree/d0*
        git mv "tree/$(cd tree && echo d1* | cut -d' ' -f"$round")" "moved$round.txt"
        git add -A
        git commit -q -m "round $round"
        git branch "b$round"
    done
    git checkout -q b1
    echo branch >tree/new.txt
    git add .
    git commit -q -m 'on a branch'
    git merge -q -m merge main
    git repack -q -a -d -f --depth=20
    git fsck --full --strict --no-progress
    git log --stat --graph --all
    git diff HEAD~2 | cksum
    git blame moved1.txt | sed -n 1,20p
    git grep -c 'changed in 2' | sed -n 1,20p
    git cat-file --batch-all-objects --batch-check
    git status --short --branch
}
