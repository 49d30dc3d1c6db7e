#!/bin/sh
# Makes the databases of this folder anew: see README.md. RPM is an rpm that was built with `--enable-ndb`.
set -eu
rpm=${RPM:-rpm}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { # SPEC OUT: the packages of a spec, without help of this machine's distribution
    rpmbuild -bb --quiet --nodeps --target x86_64 --define "_topdir $work/top" --define "_rpmdir $2" --define "debug_package %{nil}" \
        --define "__os_install_post %{nil}" --define "_build_id_links none" --define "_buildhost example.test" \
        --define "__find_provides %{nil}" --define "__find_requires %{nil}" "$1"
}

database() { # BACKEND PACKAGES: a database at $work/BACKEND that lists them
    rm -rf "${work:?}/$1" && mkdir "$work/$1"
    find "$2" -name '*.rpm' | sort > "$work/list"
    xargs "$rpm" -i --dbpath "$work/$1" --define "_db_backend $1" --justdb --nodeps --noscripts --ignorearch --ignoreos --nosignature < "$work/list"
}

specs() { # LIST DIRECTORY: one spec for each source package of a list like aged.txt
    awk -v out="$2" '
        function tag(name, value) { return value == "-" ? "" : name ": " value "\n" }
        {
            source = $6; sub(/\.src\.rpm$/, "", source)
            name = source; sub(/-[^-]*-[^-]*$/, "", name)
            file = out "/" name ".spec"
            if (!(name in seen)) {
                seen[name] = 1
                printf "Name: %s\n%sVersion: %s\nRelease: %s\n%sSummary: %s\nLicense: MIT\nVendor: AlmaLinux\n%%description\n", \
                    name, tag("Epoch", $2), $3, $4, tag("ModularityLabel", $7), name > file
            }
            arch = $5 == "noarch" ? "BuildArch: noarch\n" : ""
            if ($1 == name) printf "%%files\n" > file
            else printf "%%package -n %s\n%sSummary: %s\n%%description -n %s\n%%files -n %s\n", $1, arch, $1, $1, $1 > file
        }' "$1"
}

build "$here/small.spec" "$work/small"
for backend in sqlite ndb; do database "$backend" "$work/small"; done
cp "$work/sqlite/rpmdb.sqlite" "$here/small.sqlite"
cp "$work/ndb/Packages.db" "$here/small.ndb"

# rpm 4.18 no longer writes Berkeley DB: its own tool stores the same headers under the same numbers.
{
    printf 'VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\nHEADER=END\n 00000000\n 06000000\n'
    sqlite3 "$here/small.sqlite" "select printf(' %02x000000%s %s', hnum, char(10), lower(hex(blob))) from Packages"
    printf 'DATA=END\n'
} | db5.3_load "$work/small.bdb"
mkdir "$work/bdb_ro" && cp "$work/small.bdb" "$work/bdb_ro/Packages" && cp "$work/small.bdb" "$here/small.bdb"

for backend in sqlite ndb bdb_ro; do
    "$rpm" -qa --dbpath "$work/$backend" --define "_db_backend $backend" --qf '%{NAME} %|EPOCH?{%{EPOCH}}:{-}| %{VERSION} %{RELEASE} %{ARCH} %{SOURCERPM} %|MODULARITYLABEL?{%{MODULARITYLABEL}}:{-}|\n' \
        2> "$work/warnings" | LC_ALL=C sort > "$work/$backend.txt"
    cmp "$work/sqlite.txt" "$work/$backend.txt"
done
cp "$work/sqlite.txt" "$here/small.txt"

# The smallest pages and two packages make small seeds that still overflow.
seeds=$here/../../../fuzz/seeds
mkdir -p "$seeds/rpm_sqlite" "$seeds/rpm_ndb" "$seeds/rpm_bdb" "$seeds/rpm_header" "$work/few"
find "$work/small" -name 'script-*' -o -name 'streamed-*' | xargs -I{} cp {} "$work/few"
database ndb "$work/few"
cp "$work/ndb/Packages.db" "$seeds/rpm_ndb/good-two"
sqlite3 "$work/few.sqlite" "pragma page_size=512; attach '$here/small.sqlite' as small;
    create table Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);
    insert into Packages select * from small.Packages where length(blob) < 2400"
cp "$work/few.sqlite" "$seeds/rpm_sqlite/good-two"
{
    printf 'VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=512\nHEADER=END\n 00000000\n 06000000\n'
    sqlite3 "$work/few.sqlite" "select printf(' %02x000000%s %s', hnum, char(10), lower(hex(blob))) from Packages"
    printf 'DATA=END\n'
} | db5.3_load "$work/few.bdb"
cp "$work/few.bdb" "$seeds/rpm_bdb/good-two"
sqlite3 "$work/few.sqlite" "select writefile('$seeds/rpm_header/good-package', blob) from Packages limit 1" > "$work/written"

mkdir "$work/specs"
specs "$here/aged.txt" "$work/specs"
for spec in "$work"/specs/*.spec; do build "$spec" "$work/aged"; done
database sqlite "$work/aged"
zstd -q -19 -f "$work/sqlite/rpmdb.sqlite" -o "$here/aged.sqlite.zst"
