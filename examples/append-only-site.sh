#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# append-only-site.sh --backup-key FILE.pub --admin-key FILE.pub [OPTION...]: make this machine an
# off-site place for varve that a stolen backup host can add to and read, but not destroy.  Run it
# as root on a Debian (or any system with OpenSSH 8.5 or newer); run it again to change the keys.
#
#   --backup-key FILE   public key of the host that makes backups: it may add objects and read
#   --admin-key FILE    public key of the administrator, kept on another machine: it may also
#                       delete, for `varve prune` on this site
#   --user NAME         the account both use (default varve-site; made if it does not exist)
#   --directory DIR     what the account sees as / (default /srv/varve); the repository goes below
#                       DIR/repository and is named sftp://NAME@THIS-HOST/repository
#   --config FILE       sshd's configuration (default /etc/ssh/sshd_config.d/varve-site.conf)
#   --keys FILE         the account's keys (default /etc/ssh/varve-site.keys)
#   --no-reload         leave sshd alone; say what to do
#
# How it works, and what it does not protect from: varve-append-only(7).
set -eu

# What no account that only adds ever needs.  -P cannot forbid to open for writing or truncating:
# that stored files have mode 0400 does, so the account must not be root's.
denied=remove,rmdir,rename,posix-rename,setstat,fsetstat,lsetstat,symlink,copy-data

die()
{
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

usage()
{
    sed -n '3,/^$/s/^# \{0,1\}//p' "$0"
    exit "$1"
}

user=varve-site directory=/srv/varve backup_key='' admin_key='' reload=yes
config=/etc/ssh/sshd_config.d/varve-site.conf keys=/etc/ssh/varve-site.keys
while [ $# -gt 0 ]; do
    case $1 in
    --help) usage 0 ;;
    --no-reload) reload=no ;;
    --user | --directory | --config | --keys | --backup-key | --admin-key)
        [ $# -ge 2 ] || die "$1 needs a value"
        case $1 in
        --user) user=$2 ;;
        --directory) directory=$2 ;;
        --config) config=$2 ;;
        --keys) keys=$2 ;;
        --backup-key) backup_key=$2 ;;
        --admin-key) admin_key=$2 ;;
        esac
        shift
        ;;
    *) usage 2 >&2 ;;
    esac
    shift
done
[ -n "$backup_key" ] && [ -n "$admin_key" ] || usage 2 >&2
[ "$(id -u)" = 0 ] || die "run it as root"
case $directory in
/*) ;;
*) die "--directory must be an absolute path" ;;
esac

# public_key FILE: its one key; a private key, or options somebody put in front, are refused.
public_key()
{
    grep -Ev '^[[:space:]]*(#|$)' "$1" >"$scratch/key" || die "'$1' has no key in it"
    [ "$(wc -l <"$scratch/key")" = 1 ] || die "'$1' must hold one public key"
    grep -Eq '^(ssh-ed25519|ssh-rsa|ecdsa-sha2-[a-z0-9]+|sk-[a-z0-9@.-]+) [A-Za-z0-9+/=]+( .*)?$' \
        "$scratch/key" || die "'$1' is no public key: give the file that ends in .pub"
    ssh-keygen -l -f "$scratch/key" >/dev/null || die "'$1' is no public key"
    cat "$scratch/key"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
public_key "$backup_key" >"$scratch/backup"
public_key "$admin_key" >"$scratch/admin"
if [ "$(cut -d ' ' -f 2 "$scratch/backup")" = "$(cut -d ' ' -f 2 "$scratch/admin")" ]; then
    die "both keys are the same: the administrator's must not be on the backup host"
fi

if ! id "$user" >/dev/null 2>&1; then
    useradd --system --home-dir / --no-create-home --shell /usr/sbin/nologin "$user"
fi
[ "$(id -u "$user")" != 0 ] || die "the account must not be root's"

# sshd insists that nobody but root can change the way to the directory it locks the account into.
mkdir -p "$directory"
chown root:root "$directory"
chmod 755 "$directory"
mkdir -p "$directory/repository"
chown "$user:" "$directory/repository"
chmod 700 "$directory/repository"

{
    echo "# Made by varve's append-only-site.sh.  Outside the account's reach on purpose."
    printf 'restrict,command="internal-sftp -l INFO -P %s" ' "$denied"
    cat "$scratch/backup"
    printf 'restrict,command="internal-sftp -l INFO" '
    cat "$scratch/admin"
} >"$scratch/keys"
cat >"$scratch/config" <<END
# Made by varve's append-only-site.sh: see varve-append-only(7).
Match User $user
    AuthorizedKeysFile $keys
    AuthenticationMethods publickey
    ChrootDirectory $directory
    DisableForwarding yes
    PermitTTY no
    PermitUserRC no
END

# sshd reads the keys as the account, so they are readable, but root's.
install -o root -g root -m 644 "$scratch/keys" "$keys"
install -o root -g root -m 644 "$scratch/config" "$config"

if [ "$reload" = yes ]; then
    mkdir -p /run/sshd
    sshd=$(command -v sshd || echo /usr/sbin/sshd)
    "$sshd" -t || die "sshd does not like its configuration any more; see above"
    "$sshd" -T -C "user=$user,host=localhost,addr=127.0.0.1" | grep -qixF "chrootdirectory $directory" ||
        die "sshd does not read '$config': does /etc/ssh/sshd_config include sshd_config.d/*.conf?"
    if [ -d /run/systemd/system ]; then
        systemctl reload ssh
    elif [ -e /run/sshd.pid ]; then
        kill -HUP "$(cat /run/sshd.pid)"
    else
        echo "sshd does not seem to run: start it"
    fi
fi

cat <<END
The site is ready.  From the administrator's machine, once (it makes the repository's layout here):

  varve -r REPOSITORY replicate --to sftp://$user@$(hostname)/repository

From the backup host, every time; and to prove that what is stored cannot be changed from there:

  varve -r REPOSITORY replicate --to sftp://$user@$(hostname)/repository
  varve -r REPOSITORY replicate --to sftp://$user@$(hostname)/repository --check-append-only
END
