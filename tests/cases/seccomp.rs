//! System calls that are really made in containers: which go through, and
//! what the others get.

use std::fs;

use serde_json::{Value, json};

use crate::harness::probe::with_probe;
use crate::harness::{Daemon, daemon};

const EPERM: &str = "errno 1";
const ENOSYS: &str = "errno 38";

/// Calls that the default profile refuses, and what they get. The kernel
/// itself has other answers to them, also for want of a capability: most
/// get addresses where nothing is.
pub(super) const REFUSED: [(&str, &str); 22] = [
    // add_key request_key keyctl
    ("call 248 1 1 0 0 -3", EPERM),
    ("call 249 1 1 0 0", EPERM),
    ("call 250 0 -3 0", EPERM),
    // mount umount2 unshare(CLONE_NEWUSER)
    ("call 165 1 1 1 0 0", EPERM),
    ("call 166 1 0", EPERM),
    ("call 272 0x10000000", EPERM),
    // clone3, and clone with a namespace and an impossible set of flags
    ("call 435 1 1", ENOSYS),
    ("call 56 0x10000800", EPERM),
    // bpf perf_event_open userfaultfd io_uring_setup kcmp
    ("call 321 99 1 1", EPERM),
    ("call 298 1 0 0 0 0", EPERM),
    ("call 323 0xff000001", EPERM),
    ("call 425 1 1", EPERM),
    ("call 312 1 1 99", EPERM),
    // socket: AF_VSOCK and AF_ALG, of no type
    ("call 41 40 99 0", EPERM),
    ("call 41 38 99 0", EPERM),
    // personality(ADDR_NO_RANDOMIZE)
    ("call 135 0x40000", EPERM),
    // no such call
    ("call 2000", ENOSYS),
    // x32: keyctl, kexec_load by its own number
    ("x32 250 0 -3 0", EPERM),
    ("x32 528", EPERM),
    // i386: add_key keyctl bpf
    ("i386 286 1 1 0 0 -3", EPERM),
    ("i386 288 0 -3 0", EPERM),
    ("i386 357 99 1 1", EPERM),
];

/// Calls that it allows, and what they give.
pub(super) const ALLOWED: [(&str, &str); 14] = [
    // umask, personality that only asks
    ("call 95 18", "ok 18"),
    ("call 135 0xffffffff", "ok 0"),
    ("call 135 0", "ok 0"),
    // ptrace(PTRACE_TRACEME), on kernels with 4.8's order
    ("call 101 0 0 0 0", "ok 0"),
    // socket: AF_UNIX and AF_INET, of no type
    ("call 41 1 99 0", "errno 22"),
    ("call 41 2 99 0", "errno 22"),
    // clone with an impossible set of flags, but no namespace
    ("call 56 0x800", "errno 22"),
    // chroot to an address where nothing is, process_vm_readv of nobody
    ("call 161 1", "errno 14"),
    ("call 310 -1 1 1 1 1 0", "errno 14"),
    // openat2 of no size, close_range of nothing, fchmodat2 of bad flags
    ("call 437 -100 1 1 0", "errno 22"),
    ("call 436 2 1 0", "errno 22"),
    ("call 452 -100 1 0 0xff", "errno 22"),
    // i386: umask, socketcall of no number
    ("i386 60 18", "ok 18"),
    ("i386 102 99 0", "errno 22"),
];

/// Makes the calls, each in a process of its own; what each gave.
#[track_caller]
pub(super) fn calls(
    daemon: &Daemon,
    lines: &[&str],
    body: Value,
) -> Vec<String> {
    let each = lines.iter().map(|line| format!("/probe {line} || echo died"));
    let script = each.collect::<Vec<_>>().join("\n");
    let (_, out, err) = daemon.attack(&script, body);
    let answers: Vec<String> = out.lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), lines.len(), "{out}\n{err}");
    answers
}

#[track_caller]
fn one(daemon: &Daemon, line: &str, options: &[&str]) -> String {
    let body = json!({"HostConfig": {"SecurityOpt": options}});
    calls(daemon, &[line], body).remove(0)
}

#[test]
fn the_default_profile_refuses_and_allows_as_dockers() {
    let daemon = Daemon::with_image();
    let all = || REFUSED.iter().chain(&ALLOWED);
    let lines: Vec<&str> = all().map(|(line, _)| *line).collect();
    let answers = calls(&daemon, &lines, json!({}));
    for ((line, wanted), answer) in all().zip(&answers) {
        assert_eq!(answer, wanted, "{line}");
    }
    // Each refusal is the profile's: the kernel says something else.
    let open = json!({"HostConfig": {"SecurityOpt": ["seccomp=unconfined"]}});
    let answers = calls(&daemon, &lines, open);
    let unknown = ["call 2000", "x32 250 0 -3 0", "x32 528"];
    for ((line, refusal), answer) in REFUSED.iter().zip(&answers) {
        // No kernel without CONFIG_X86_X32 has x32's calls.
        if !unknown.contains(line) || *refusal == EPERM {
            assert_ne!(answer, refusal, "{line}");
        }
    }
}

#[test]
fn capabilities_open_calls() {
    let daemon = Daemon::with_image();
    let given = |cap: &str| json!({"HostConfig": {"CapAdd": [cap]}});
    let lines = ["call 165 1 1 1 0 0", "call 435 1 1", "call 56 0x10000800"];
    let answers = calls(&daemon, &lines, given("SYS_ADMIN"));
    assert_eq!(answers, ["errno 14", "errno 22", "errno 22"]);
    let lines = ["call 312 1 1 99", "call 165 1 1 1 0 0"];
    let answers = calls(&daemon, &lines, given("SYS_PTRACE"));
    assert_eq!(answers, ["errno 22", EPERM]);
    let chroot = json!({"HostConfig": {"CapDrop": ["SYS_CHROOT"]}});
    assert_eq!(calls(&daemon, &["call 161 1"], chroot), [EPERM]);
}

#[test]
fn privileged_is_unconfined_unless_a_profile_is_named() {
    let daemon = Daemon::with_image();
    let privileged = |options: Value| json!({"HostConfig": {"Privileged": true, "SecurityOpt": options}});
    let lines = ["call 250 0 -3 0", "call 83 1 0"];
    let answers = calls(&daemon, &lines, privileged(json!(null)));
    assert_eq!(answers[1], "errno 14");
    assert_ne!(answers[0], EPERM);
    let profile = profile("SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW");
    let named = privileged(json!([format!("seccomp={profile}")]));
    assert_eq!(calls(&daemon, &lines, named)[1], "errno 77");
}

/// A profile that does one thing with mkdir and rmdir(NULL), and another
/// with all else.
fn profile(mkdir: &str, rest: &str) -> String {
    json!({
        "defaultAction": rest,
        "archMap": [{
            "architecture": "SCMP_ARCH_X86_64",
            "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        }],
        "syscalls": [
            {"names": ["mkdir"], "action": mkdir, "errnoRet": 77},
            {
                "name": "rmdir",
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": 78,
                "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}],
                "includes": {"arches": ["amd64"], "minKernel": "4.8"},
                "excludes": {"caps": ["CAP_SYS_ADMIN"]},
                "comment": "by its argument",
            },
        ],
    })
    .to_string()
}

#[test]
fn a_profile_is_obeyed() {
    let daemon = Daemon::with_image();
    let option =
        format!("seccomp={}", profile("SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW"));
    let lines = [
        "call 83 1 0", // mkdir
        "i386 39 1 0",
        "call 84 0", // rmdir
        "call 84 1",
        "i386 40 0",
        "call 250 0 -3 0", // keyctl
    ];
    let body = json!({"HostConfig": {"SecurityOpt": [option]}});
    let answers = calls(&daemon, &lines, body);
    let known = ["errno 77", "errno 77", "errno 78", "errno 14", "errno 78"];
    assert_eq!(answers[..5], known);
    assert_ne!(answers[5], EPERM);
    // What is asked for is what inspect tells.
    let admin = json!({"HostConfig": {
        "SecurityOpt": [option], "CapAdd": ["SYS_ADMIN"],
    }});
    assert_eq!(calls(&daemon, &["call 84 0"], admin), ["errno 14"]);
}

#[test]
fn executed_programs_have_the_containers_filter() {
    let daemon = Daemon::with_image();
    let profile = profile("SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW");
    let option = format!("seccomp={profile}");
    let lines = "/probe call 83 1 0; /probe call 250 0 -3 0; \
                 /probe call 56 0x10000800";
    let body = json!({"HostConfig": {"SecurityOpt": [option]}});
    daemon.run_with("named", "sleep 1000", with_probe(body));
    daemon.run_with("usual", "sleep 1000", with_probe(json!({})));
    let (_, out, _) = daemon.exec_shell("named", lines, json!({}));
    assert!(out.starts_with("errno 77\n") && !out.contains(EPERM), "{out}");
    let usual = format!("errno 14\n{EPERM}\n{EPERM}\n");
    let (_, out, _) = daemon.exec_shell("usual", lines, json!({}));
    assert_eq!(out, usual);
    // More capabilities do not change the filter.
    let privileged = json!({"Privileged": true});
    let (_, out, _) = daemon.exec_shell("usual", lines, privileged);
    assert_eq!(out, usual);
}

#[test]
fn every_action_does_what_its_name_says() {
    let daemon = Daemon::with_image();
    for (action, wanted) in [
        ("SCMP_ACT_KILL", "died"),
        ("SCMP_ACT_KILL_THREAD", "died"),
        ("SCMP_ACT_KILL_PROCESS", "died"),
        ("SCMP_ACT_TRAP", "died"),
        ("SCMP_ACT_LOG", "errno 14"),
        ("SCMP_ACT_ALLOW", "errno 14"),
        // Without a tracer there is nobody to ask.
        ("SCMP_ACT_TRACE", ENOSYS),
    ] {
        let option = format!("seccomp={}", profile(action, "SCMP_ACT_ALLOW"));
        let answer = one(&daemon, "call 83 1 0", &[&option]);
        assert_eq!(answer, wanted, "{action}");
    }
}

#[test]
fn profiles_that_make_no_sense_are_told_at_the_start() {
    let daemon = Daemon::with_image();
    let runtime = "failed to create task for container: failed to create \
                   shim task: OCI runtime create failed: runc create failed: ";
    let refused = |profile: &str| {
        let options = json!([format!("seccomp={profile}")]);
        let id = daemon.create(
            "",
            json!({
                "Cmd": ["true"], "HostConfig": {"SecurityOpt": options},
            }),
        );
        let reply = daemon.post(&format!("/containers/{id}/start"));
        reply.is(500).message()
    };
    assert_eq!(
        refused("/etc/profile.json"),
        "Decoding seccomp profile failed: invalid character '/' looking for \
         beginning of value"
    );
    assert_eq!(
        refused(&profile("SCMP_ACT_FOO", "SCMP_ACT_ALLOW")),
        format!(
            "{runtime}string SCMP_ACT_FOO is not a valid action for seccomp: \
             unknown"
        )
    );
    assert_eq!(
        refused(&profile("SCMP_ACT_NOTIFY", "SCMP_ACT_ALLOW")),
        format!(
            "{runtime}SCMP_ACT_NOTIFY is not supported by this engine: unknown"
        )
    );
}

#[test]
fn options_that_are_none_are_refused_at_create() {
    let daemon = Daemon::with_image();
    for (option, words) in [
        ("foo", "invalid --security-opt 1: \"foo\""),
        ("foo=bar", "invalid --security-opt 2: \"foo=bar\""),
        (
            "no-new-privileges=perhaps",
            "invalid --security-opt 2: \"no-new-privileges=perhaps\"",
        ),
    ] {
        let body = json!({
            "Image": daemon::IMAGE,
            "Cmd": ["true"],
            "HostConfig": {"SecurityOpt": [option]},
        });
        let reply = daemon.post_json("/containers/create", &body);
        assert_eq!(reply.is(400).message(), words);
    }
    let list = daemon.get("/containers/json?all=1").is(200).json();
    assert_eq!(list, json!([]), "nothing is made of what is refused");
}

#[test]
fn the_client_reads_the_file_of_a_profile() {
    let daemon = Daemon::with_image();
    let file = daemon.directory.join("profile.json");
    fs::write(&file, profile("SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW")).unwrap();
    let option = format!("seccomp={}", file.display());
    let probe = crate::harness::probe::program();
    let bind = format!("{}:/probe:ro", probe.display());
    let run = |option: &str| {
        let words = [
            "run",
            "--rm",
            "--network=none",
            "-v",
            &bind,
            "--security-opt",
            option,
            daemon::IMAGE,
            "/probe",
            "call",
            "83",
            "1",
            "0",
        ];
        daemon.skiff(&words)
    };
    run(&option).ok().says("errno 77");
    run("seccomp=unconfined").ok().says("errno 14");
    run("seccomp=/nonexistent.json").exits(125).complains(
        "opening seccomp profile (/nonexistent.json) failed: open \
         /nonexistent.json: no such file or directory",
    );
}

#[test]
fn the_daemons_profile_is_for_containers_that_name_none() {
    let mut daemon = Daemon::prepare(&[]);
    let file = daemon.directory.join("profile.json");
    fs::write(&file, profile("SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW")).unwrap();
    daemon.add_flag(&format!("--seccomp-profile={}", file.display()));
    daemon.launch();
    daemon.import(daemon::IMAGE);
    let told = &daemon.get("/info").is(200).json()["SecurityOptions"];
    let wanted = format!("name=seccomp,profile={}", file.display());
    let told = told.as_array().expect("a list");
    assert!(told.contains(&wanted.clone().into()), "{told:?}");
    // The file is read once.
    fs::remove_file(&file).unwrap();
    assert_eq!(one(&daemon, "call 83 1 0", &[]), "errno 77");
    let builtin = &["seccomp=builtin"];
    assert_eq!(one(&daemon, "call 83 1 0", builtin), "errno 14");
    assert_eq!(one(&daemon, "call 250 0 -3 0", builtin), EPERM);
    let open = &["seccomp=unconfined"];
    assert_eq!(one(&daemon, "call 83 1 0", open), "errno 14");
}

#[test]
fn the_daemon_can_leave_containers_unconfined() {
    let daemon = Daemon::with(&["--seccomp-profile=unconfined"]);
    daemon.import(daemon::IMAGE);
    let body = with_probe(json!({}));
    let (_, out, _) = daemon.shell("grep Seccomp: /proc/self/status", body);
    assert_eq!(out, "Seccomp:\t0\n");
    assert_eq!(one(&daemon, "call 250 0 -3 0", &["seccomp=builtin"]), EPERM);
}

#[test]
fn a_daemon_whose_profile_is_missing_does_not_start() {
    let mut daemon = Daemon::prepare(&["--seccomp-profile=/no/such.json"]);
    daemon.launch_only();
    assert!(!daemon.ended().success());
    let log = daemon.log();
    assert!(
        log.contains(
            "opening seccomp profile (/no/such.json) failed: open \
             /no/such.json: no such file or directory"
        ),
        "{log}"
    );
}
