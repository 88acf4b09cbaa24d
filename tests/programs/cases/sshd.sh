# shellcheck shell=bash disable=SC2034,SC2154
# sshd with its sandbox (seccomp, no file descriptors) and a session of ssh through it, over a pipe instead of a port, with keys made for it.
needs="sshd ssh ssh-keygen"
packages="openssh-server openssh-client"

prepare() { :; }

main() {
    local sshd
    sshd=$(type -P sshd)
    [ "$(id -u)" != 0 ] || mkdir -p /run/sshd
    ssh-keygen -q -t ed25519 -N '' -f host -C host
    ssh-keygen -q -t ed25519 -N '' -f user -C user
    cp user.pub authorized
    cat >sshd.conf <<END
HostKey $PWD/host
AuthorizedKeysFile $PWD/authorized
UsePAM no
StrictModes no
PermitRootLogin yes
PidFile none
Subsystem sftp internal-sftp
END
    printf 'x %s\n' "$(cut -d' ' -f1,2 host.pub)" >known
    for n in 1 2 3; do
        ssh -F none -i user -o UserKnownHostsFile=known -o StrictHostKeyChecking=yes -o BatchMode=yes -o LogLevel=ERROR \
            -o ProxyCommand="$sshd -i -f $PWD/sshd.conf -E $PWD/log" x "seq $((n * 10000)) | gzip -n | gunzip | cksum; echo \$0 | wc -c"
    done
    seq 50000 | ssh -F none -C -c aes128-ctr -i user -o UserKnownHostsFile=known -o BatchMode=yes -o LogLevel=ERROR \
        -o ProxyCommand="$sshd -i -f $PWD/sshd.conf -E $PWD/log" x sha256sum
    grep -c -i 'accepted publickey' log
}
