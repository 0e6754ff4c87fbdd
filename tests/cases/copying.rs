//! Files of containers through the client: `cp`, `diff`, `export`, `commit`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::command::Run;
use crate::harness::recorded::same_as;
use crate::harness::{Daemon, daemon, skip};

/// Copies in all the ways whose rules differ, and tells what came of them.
const COPIES: &str = r#"
umask 022
try() { echo "> $*"; "$CLIENT" "$@" 2>&1; echo "= $?"; }
mkdir -p src/sub && cd .
echo one >src/f && echo two >src/sub/g
ln -s f src/l && ln -s src dirlink && ln src/f src/hard
mkdir empty && echo three >c:d
"$CLIENT" run -d --name web busybox sleep 1000 >/dev/null
try cp src web:/tmp/new
try cp src web:/tmp
try cp src/. web:/tmp/inside
try cp src/. web:/tmp/inside/
try cp src/f web:/tmp/g
try cp src/sub/g web:/tmp/g
try cp src/f web:/tmp/new/l
try cp ./c:d web:/tmp
try cp src/f web:/tmp/nodir/
try cp src/f web:/nosuch/g
try cp src web:/tmp/g
try cp dirlink web:/tmp/dl
try cp -L dirlink web:/tmp/dl2
try cp dirlink/ web:/tmp
try cp empty web:tmp
try cp nosuch web:/tmp
try cp src/f/ web:/tmp
try cp src/f web:/dev/null
try cp src/f nosuch:/tmp
try cp -q=false src/f web:/tmp/q
try cp - web:/tmp/g
try cp - web:/nosuch
tar -cf - src | try cp - web:/opt
tar -cf - src | try cp - web:/home
"$CLIENT" exec web sh -c 'cd /tmp; find . | sort; cat g new/l new/f new/hard'
"$CLIENT" exec web sh -c 'cd /tmp; ls -l new/l dl 2>&1 | sed "s/.* //"'
"$CLIENT" exec web sh -c 'ls -ln /tmp/src/f | cut -c1-30; find /home'
"$CLIENT" exec web ln -s new /tmp/link
try cp web:/tmp/new out
try cp web:/tmp/new out
try cp web:/tmp/new/. out2
try cp web:/tmp/new/. out2/
try cp web:/tmp/new/sub/ out3
try cp web:/tmp/new/f file
try cp web:/tmp/new/f file/
try cp web:/tmp/new/f nodir/
try cp web:/tmp/new/f nosuch/dir/x
try cp web:/tmp/new/f /dev/null
try cp web:/tmp/new file
try cp web:/tmp/link link1
try cp -L web:/tmp/link link2
try cp -L web:/tmp/link empty
try cp web:/tmp/link/ empty
try cp web:/nosuch .
try cp nosuch:/tmp .
try cp -q=false web:/tmp/new/f q
try cp web:/ root
try cp web:/. empty
try cp web:/../tmp/g up
"$CLIENT" exec web sh -c 'chmod 4751 /tmp/g; chown 7:8 /tmp/new/f'
try cp -a web:/tmp/g special
cd src
try cp . web:/tmp/here
try cp ../src/. web:/tmp/there/
try cp ./ web:/tmp
try cp ../src/sub/.. web:/tmp/there
chown 7:8 f
try cp -a f web:/tmp/owned
try cp f web:/tmp/roots
chown 0:0 f
cd ..
"$CLIENT" exec web find /tmp/here /tmp/there /tmp/src
"$CLIENT" exec web stat -c '%n %a %u %g' /tmp/owned /tmp/roots
stat -c '%n %a %u %g' special out/f
try cp a b
try cp web:/a web:/b
try cp "" web:/tmp
try cp web:/tmp ""
try cp a
try cp web:/nosuch -
"$CLIENT" cp web:/tmp/new/sub - | tar -t
find . | grep -v /bin/ | sort
readlink link1
cat file out/hard out/new/sub/g
try diff nosuch
try diff ""
try export nosuch
try export -o nosuch/dir/x web
try export -o /dev/null web
try export -o web.tar web
tar -tf web.tar tmp/new/sub
stat -c %a web.tar
try commit nosuch
try commit web UPPER
try commit -c "FROM x" web
try commit -c "BAD" web
try commit
"#;

impl Daemon {
    /// Runs the copies with a client, in a directory of its own.
    fn copies(&self, client: &Path) -> String {
        let directory = self.directory.join("copies");
        fs::create_dir(&directory).expect("a directory");
        let words = ["-c", COPIES];
        let mut command = self.client_of(Path::new("sh"), &words);
        command.env("CLIENT", client).current_dir(&directory);
        let run = Run::of(&mut command, b"");
        assert!(run.err().is_empty(), "{run:?}");
        let place = directory.display().to_string();
        let program = client.file_name().expect("a name").to_string_lossy();
        let out = run.out().replace(&place, "HERE");
        out.replace(&format!("{program}:"), "CLIENT:")
            .replace(&format!("{program} "), "CLIENT ")
    }
}

fn docker() -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = path.split(':').map(|at| Path::new(at).join("docker"));
    let found = found.into_iter().find(|file| file.is_file());
    if found.is_none() {
        skip("the Docker CLI is not installed");
    }
    found
}

#[test]
fn copies_land_where_docker_puts_them_and_refusals_have_its_words() {
    let ours = Daemon::with_image().copies(&daemon::program());
    for part in [
        "> cp src web:/tmp/new\n= 0\n",
        "> cp src/f web:/tmp/nodir/\nno such directory\n= 1\n",
        "> cp src web:/tmp/g\ncannot copy directory\n= 1\n",
        "> cp - web:/tmp/g\n\
         destination \"web:/tmp/g\" must be a directory\n= 1\n",
        "Successfully copied 2.05kB to web:/tmp/q\n",
        "> cp a b\nmust specify at least one container source\n= 1\n",
        "> cp web:/a web:/b\n\
         copying between containers is not supported\n= 1\n",
        "./inside/sub/g\n",
        "./out/new/sub/g\n",
        "./out2/sub/g\n",
        "./empty/link/sub/g\n",
        "> export -o web.tar web\n= 0\ntmp/new/sub/\ntmp/new/sub/g\n600\n",
    ] {
        assert!(ours.contains(part), "{part}\n---\n{ours}");
    }
    let Some(docker) = docker() else { return };
    let theirs = Daemon::with_image().copies(&docker);
    // It logs which of its own pipes broke, and when.
    let is_told = |line: &&str| !line.starts_with("time=");
    let (ours, theirs): (Vec<_>, Vec<_>) =
        (ours.lines().collect(), theirs.lines().filter(is_told).collect());
    for (at, pair) in ours.iter().zip(&theirs).enumerate() {
        let from = at.saturating_sub(4);
        let [o, t] = [&ours, &theirs]
            .map(|all| all[from..all.len().min(at + 4)].join("\n"));
        assert!(pair.0 == pair.1, "ours:\n{o}\n---\ndocker:\n{t}");
    }
    assert_eq!(ours.len(), theirs.len());
}

/// Runs both clients against what was recorded.
#[test]
fn files_are_shown_as_recorded() {
    let own = daemon::program();
    for client in [Some(own), docker()].into_iter().flatten() {
        let daemon = Daemon::with_image();
        daemon.run("web", "sleep 1000");
        let run = |line: &str, input: &[u8]| {
            let words: Vec<&str> = line.split(' ').collect();
            Run::of(&mut daemon.client_of(&client, &words), input)
        };
        let listed = |tar: &[u8], flags: &str| {
            Run::of(Command::new("tar").arg(flags), tar).ok()
        };
        let tar = run("cp web:/etc/hostname -", b"").ok().stdout;
        same_as("cp-from", &listed(&tar, "-tv"), &[]);
        let file = daemon.directory.join("f");
        fs::write(&file, "hi\n").expect("a file");
        run(&format!("cp {} web:/tmp/f", file.display()), b"").ok();
        same_as("cp-to", &run("exec web cat /tmp/f", b""), &[]);
        same_as("cp-missing", &run("cp web:/nosuch -", b""), &[]);
        run("exec web mkdir /data", b"").ok();
        same_as("diff", &run("diff web", b""), &[]);
        let words = [
            "commit",
            "-m",
            "note",
            "-a",
            "me",
            "-c",
            "CMD [\"ls\"]",
            "web",
            "my/commit:1",
        ];
        let made = Run::of(&mut daemon.client_of(&client, &words), b"");
        same_as("commit", &made, &[]);
        let ran = run("run --rm my/commit:1", b"").ok();
        assert!(ran.out().contains("\ndata\n"), "{ran:?}");
        let tar = run("export web", b"").ok().stdout;
        let mut first = listed(&tar, "-t");
        let lines: Vec<_> = first.stdout.split(|b| *b == b'\n').collect();
        first.stdout = lines[..5].join(&b'\n');
        same_as("export", &first, &[]);
    }
}

#[test]
fn an_export_does_not_go_to_a_terminal() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let line = format!("{} export web", daemon::program().display());
    let words = ["-qec", &line, "/dev/null"];
    Run::of(&mut daemon.client_of(Path::new("script"), &words), b"")
        .exits(1)
        .says(
            "cowardly refusing to save to a terminal. Use the -o flag or \
             redirect\r",
        );
}
