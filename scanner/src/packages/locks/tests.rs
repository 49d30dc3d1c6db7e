use proptest::prelude::*;

use super::Lock;

fn read(lock: Lock, text: &str) -> Vec<String> {
    lock.read(text).unwrap().into_iter().map(|package| package.purl).collect()
}

#[test]
fn locks_are_known_by_name_and_place() {
    for (path, expected) in [
        ("app/package-lock.json", Some(Lock::Npm)),
        ("npm-shrinkwrap.json", Some(Lock::Npm)),
        ("app/node_modules/.package-lock.json", Some(Lock::Npm)),
        ("app/node_modules/x/package-lock.json", None),
        ("app/node_modules/x/node_modules/.package-lock.json", None),
        (".package-lock.json", None),
        ("srv/yarn.lock", Some(Lock::Yarn)),
        ("pnpm-lock.yaml", Some(Lock::Pnpm)),
        ("bun.lock", Some(Lock::Bun)),
        ("app/uv.lock", Some(Lock::PythonToml)),
        ("app/pylock.prod.toml", Some(Lock::PythonToml)),
        ("app/requirements-dev.txt", Some(Lock::Requirements)),
        ("usr/lib/python3/site-packages/x/requirements.txt", None),
        ("app/Gemfile.lock", Some(Lock::Gemfile)),
        ("usr/local/bundle/gems/x-1.0/Gemfile.lock", None),
        ("usr/local/cargo/registry/src/index/x-1.0/Cargo.lock", None),
        ("go/pkg/mod/x.test/a@v1.0.0/go.mod", None),
        ("usr/src/go.mod", Some(Lock::GoModule)),
        ("app/pom.xml", None),
        ("Cargo.toml", None),
    ] {
        assert_eq!(Lock::of(path), expected, "{path}");
    }
}

#[test]
fn npm_of_three_versions() {
    let tree = r#"{"lockfileVersion": 1, "dependencies": {
        "a": {"version": "1.0.0", "dependencies": {"@s/b": {"version": "2.0.0", "dev": true}}},
        "alias": {"version": "npm:@real/x@3.0.0"}, "a2": {"requires": {"a": "1"}, "version": "git+ssh://git@x.test/y.git#0a"}}}"#;
    assert_eq!(read(Lock::Npm, tree), ["pkg:npm/%40real/x@3.0.0", "pkg:npm/%40s/b@2.0.0", "pkg:npm/a@1.0.0"]);
    let places = r#"{"lockfileVersion": 3, "packages": {
        "": {"name": "own", "version": "1.0.0"}, "packages/member": {"version": "1.0.0"},
        "node_modules/member": {"resolved": "packages/member", "link": true},
        "node_modules/alias": {"name": "@real/x", "version": "3.0.0", "license": "Apache 2.0"},
        "node_modules/a": {"version": "1.0.0"}, "node_modules/a/node_modules/@s/b": {"version": "2.0.0"},
        "node_modules/c/node_modules/a": {"version": "1.0.0"}}}"#;
    assert_eq!(
        read(Lock::Npm, places),
        ["pkg:npm/%40real/x@3.0.0", "pkg:npm/%40s/b@2.0.0", "pkg:npm/a@1.0.0"]
    );
    assert_eq!(Lock::Npm.read(places).unwrap()[0].licenses, ["Apache-2.0"]);
}

#[test]
fn yarn_old_and_new() {
    let old = "# yarn lockfile v1\n\n\"@s/b@^2.0.0\", \"@s/b@^2.1.0\":\n  version \"2.1.0\"\n  dependencies:\n    version \"^9\"\n\n\
               a@^1.0.0:\n  version \"1.0.5\"\n\nalias@npm:real@^3.0.0:\n  version \"3.0.0\"\n\nown@link:./x:\n  version \"0.0.0\"\n";
    assert_eq!(read(Lock::Yarn, old), ["pkg:npm/%40s/b@2.1.0", "pkg:npm/a@1.0.5", "pkg:npm/real@3.0.0"]);
    let new = "__metadata:\n  version: 8\n  cacheKey: 10\n\n\"@s/b@npm:^2.0.0\":\n  version: 2.1.0\n  resolution: \"@s/b@npm:2.1.0\"\n\n\
               \"alias@npm:real@^3.0.0\":\n  version: 3.0.0\n  resolution: \"real@npm:3.0.0\"\n\n\
               \"own@workspace:.\":\n  version: 0.0.0-use.local\n  resolution: \"own@workspace:.\"\n\n\
               \"p@patch:p@npm%3A1.0.0#x\":\n  version: 1.0.0\n  resolution: \"p@patch:p@npm%3A1.0.0#x::version=1.0.0\"\n";
    assert_eq!(read(Lock::Yarn, new), ["pkg:npm/%40s/b@2.1.0", "pkg:npm/p@1.0.0", "pkg:npm/real@3.0.0"]);
}

#[test]
fn pnpm_from_5_to_9() {
    for text in [
        "lockfileVersion: 5.4\npackages:\n  /@s/b/2.0.0_react@18.0.0:\n    dev: false\n  /a/1.0.0:\n    resolution: {integrity: x}\n",
        "lockfileVersion: '6.0'\npackages:\n  /@s/b@2.0.0(react@18.0.0):\n    dev: false\n  /a@1.0.0:\n    resolution: {integrity: x}\n",
        "lockfileVersion: '9.0'\npackages:\n  '@s/b@2.0.0':\n    engines: {node: '>=8'}\n  a@1.0.0: {}\n  own@file:x: {}\nsnapshots:\n  '@s/b@2.0.0(react@18.0.0)': {}\n",
        "packages:\n  github.com/o/r/0a:\n    name: a\n    version: 1.0.0\n  '@s/b@2.0.0': {}\n",
    ] {
        assert_eq!(read(Lock::Pnpm, text), ["pkg:npm/%40s/b@2.0.0", "pkg:npm/a@1.0.0"], "{text}");
    }
    assert!(read(Lock::Pnpm, "lockfileVersion: '9.0'\n").is_empty());
}

#[test]
fn bun_with_comments_and_commas() {
    let text = "{\n  // \"a\"\n  \"lockfileVersion\": 1, /* , */\n  \"packages\": {\n    \"@s/b\": [\"@s/b@2.0.0\", \"\", {}, \"sha512-/,}\\\"\",],\n\
                    \"a\": [\"a@1.0.0\", \"\", { \"peers\": [], }, \"x//y\"],\n    \"own\": [\"own@workspace:own\"],\n  },\n}";
    assert_eq!(read(Lock::Bun, text), ["pkg:npm/%40s/b@2.0.0", "pkg:npm/a@1.0.0"]);
}

#[test]
fn python() {
    let toml = "version = 1\n[[package]]\nname = \"Flask_SQLAlchemy\"\nversion = \"3.0.1\"\nsource = { registry = \"https://x.test\" }\n\
                [[package]]\nname = \"own\"\nversion = \"1\"\nsource = { editable = \".\" }\n\
                [[package]]\nname = \"local\"\nversion = \"1\"\n[package.source]\ntype = \"directory\"\nurl = \"x\"\n\
                [[packages]]\nname = \"six\"\nversion = \"1.16.0\"\n[[package]]\nname = \"dynamic\"\n";
    assert_eq!(read(Lock::PythonToml, toml), ["pkg:pypi/flask-sqlalchemy@3.0.1", "pkg:pypi/six@1.16.0"]);
    let pipfile = r#"{"_meta": {"pipfile-spec": 6, "sources": [1]}, "default": {"six": {"version": "==1.16.0"}, "vcs": {"ref": "0a"}},
        "develop": {"A.b": {"version": "==1"}}, "docs": {"c": {"version": "==2"}}}"#;
    assert_eq!(read(Lock::Pipfile, pipfile), ["pkg:pypi/a-b@1", "pkg:pypi/c@2", "pkg:pypi/six@1.16.0"]);
    let pins = "# c==9\n-r base.txt\nsix==1.16.0 \\\n    --hash=sha256:00\nA.b[x,y] == 1 ; python_version >= '3'  # why\nrange>=1,<2\nany==1.*\ntwo==1,!=1.1\nexact===1+x\n-e git+https://x.test/y@main#egg=y==1\n";
    assert_eq!(
        read(Lock::Requirements, pins),
        ["pkg:pypi/a-b@1", "pkg:pypi/exact@1%2Bx", "pkg:pypi/six@1.16.0"]
    );
}

#[test]
fn ruby_php_dotnet_rust() {
    let gems = "PATH\n  remote: .\n  specs:\n    own (1.0)\n\nGEM\n  remote: https://x.test/\n  specs:\n    nokogiri (1.15.0-x86_64-linux)\n      racc (~> 1.4)\n    racc (1.7.0)\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n    rails (= 1)\n";
    assert_eq!(
        read(Lock::Gemfile, gems),
        ["pkg:gem/nokogiri@1.15.0?platform=x86_64-linux", "pkg:gem/racc@1.7.0"]
    );
    let composer = r#"{"packages": [{"name": "Symfony/yaml", "version": "v5.4.0", "license": ["MIT"]}], "packages-dev": [{"name": "a/b", "version": "1.0"}]}"#;
    assert_eq!(read(Lock::Composer, composer), ["pkg:composer/a/b@1.0", "pkg:composer/symfony/yaml@5.4.0"]);
    let nuget = r#"{"version": 1, "dependencies": {"net8.0": {"Newtonsoft.Json": {"type": "Direct", "requested": "[1, )", "resolved": "13.0.1"}, "own": {"type": "Project"}}, "net8.0/linux-x64": {}}}"#;
    assert_eq!(read(Lock::NuGet, nuget), ["pkg:nuget/Newtonsoft.Json@13.0.1"]);
    let cargo = "version = 4\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n[[package]]\nname = \"rand\"\nversion = \"0.7.2\"\nsource = \"registry+https://x.test/index\"\n";
    assert_eq!(read(Lock::Cargo, cargo), ["pkg:cargo/rand@0.7.2"]);
}

#[test]
fn go_modules_with_replacements() {
    let text = "module x.test/own // why\n\ngo 1.22\n\nrequire x.test/a v1.0.0\nrequire (\n\tx.test/b v1.0.0 // indirect\n\t\"x.test/c\" v1.0.0\n\tx.test/d v1.0.0\n)\n\
                exclude x.test/e v1.0.0\nreplace x.test/b => x.test/fork v1.1.0\nreplace (\n\tx.test/c v1.0.0 => ../c\n\tx.test/d v2.0.0 => ../d\n)\n";
    assert_eq!(
        read(Lock::GoModule, text),
        ["pkg:golang/x.test/a@v1.0.0", "pkg:golang/x.test/d@v1.0.0", "pkg:golang/x.test/fork@v1.1.0"]
    );
    assert!(read(Lock::GoModule, "module std\nrequire x.test/a v1.0.0\n").is_empty());
}

#[test]
fn conan_dart_elixir_swift_gradle() {
    let old = r#"{"graph_lock": {"nodes": {"0": {"ref": null}, "1": {"ref": "zlib/1.2.11#f1"}, "2": {"ref": "cctz/2.3@bincrafters/stable"}}}}"#;
    assert_eq!(
        read(Lock::Conan, old),
        ["pkg:conan/cctz@2.3?channel=stable&user=bincrafters", "pkg:conan/zlib@1.2.11"]
    );
    let new = r#"{"version": "0.5", "requires": ["zlib/1.2.13#97d5%1692672717.6"], "build_requires": ["cmake/3.27.0"], "python_requires": []}"#;
    assert_eq!(read(Lock::Conan, new), ["pkg:conan/cmake@3.27.0", "pkg:conan/zlib@1.2.13"]);
    let dart = "packages:\n  characters:\n    dependency: transitive\n    description:\n      name: characters\n    source: hosted\n    version: \"1.2.0\"\n  flutter:\n    description: flutter\n    source: sdk\n    version: \"0.0.0\"\nsdks:\n  dart: \">=3.0.0\"\n";
    assert_eq!(read(Lock::Pubspec, dart), ["pkg:pub/characters@1.2.0"]);
    let elixir = "%{\n  \"jason\": {:hex, :jason, \"1.1.2\", \"b0\", [:mix], [{:decimal, \"~> 1.0\", [hex: :decimal]}], \"hexpm\", \"fd\"},\n  \"g\": {:git, \"https://x.test/g.git\", \"0a\", [tag: \"v1\"]},\n}\n";
    assert_eq!(read(Lock::Mix, elixir), ["pkg:hex/jason@1.1.2"]);
    let first = r#"{"object": {"pins": [{"package": "Alamofire", "repositoryURL": "git@github.com:Alamofire/Alamofire.git", "state": {"branch": null, "version": "5.4.3"}}]}, "version": 1}"#;
    let third = r#"{"originHash": "0a", "pins": [{"identity": "alamofire", "kind": "remoteSourceControl", "location": "https://github.com/Alamofire/Alamofire.git", "state": {"revision": "0a", "version": "5.4.3"}}, {"location": "https://x.test/b", "state": {"branch": "main"}}], "version": 3}"#;
    for text in [first, third] {
        assert_eq!(read(Lock::Swift, text), ["pkg:swift/github.com/Alamofire/Alamofire@5.4.3"]);
        assert_eq!(Lock::Swift.read(text).unwrap()[0].name, "github.com/Alamofire/Alamofire");
    }
    let gradle = "# This is a Gradle generated file\norg.apache.commons:io:1.3.4=compileClasspath,runtimeClasspath\nempty=annotationProcessor\n";
    assert_eq!(read(Lock::Gradle, gradle), ["pkg:maven/org.apache.commons/io@1.3.4"]);
    assert_eq!(Lock::Gradle.read(gradle).unwrap()[0].name, "org.apache.commons:io");
}

#[test]
fn rubbish_and_bombs_are_reported() {
    for lock in [
        Lock::Npm,
        Lock::Bun,
        Lock::PythonToml,
        Lock::Pipfile,
        Lock::Composer,
        Lock::NuGet,
        Lock::Cargo,
        Lock::Conan,
        Lock::Swift,
    ] {
        assert!(lock.read("{").unwrap_err().contains("cannot be understood"), "{lock:?}");
    }
    for open in ["[", "{\"a\":", "{\"dependencies\":{\"a\":"] {
        assert!(Lock::Npm.read(&open.repeat(100_000)).is_err());
        assert!(Lock::Bun.read(&open.repeat(100_000)).is_err());
    }
    assert!(Lock::Cargo.read(&format!("a = {}", "[".repeat(100_000))).is_err());
    assert!(Lock::Pnpm.read(&format!("packages: {}", "[".repeat(100_000))).is_err());
    assert!(
        Lock::Pnpm
            .read(&(0..20_000).map(|depth| " ".repeat(depth % 300) + "a:\n").collect::<String>())
            .is_err()
    );
    // Nine levels of ten aliases each.
    let bomb: String =
        (1..10).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(","))).collect();
    let bomb = format!("a0: &a0 [x]\n{bomb}packages: {{a@1.0.0: *a9}}\n");
    assert!(Lock::Pnpm.read(&bomb).is_err());
    let many: String = (0..50_001).map(|n| format!("p{n}==1\n")).collect();
    assert!(Lock::Requirements.read(&many).unwrap_err().contains("50000"));
    assert!(Lock::Mix.read(&" ".repeat((8 << 20) + 1)).unwrap_err().contains("8 MiB"));
}

proptest! {
    #[test]
    fn no_text_stops_a_reader(text in "(\\PC|[\n\t \"@:/=,{}\\[\\]#*<>-]|npm|version|packages){0,60}") {
        for lock in Lock::ALL {
            for package in lock.read(&text).unwrap_or_default() {
                prop_assert!(!package.name.is_empty() && !package.version.is_empty());
            }
        }
    }
}
