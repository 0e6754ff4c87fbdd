//! The daemon's settings as a whole: the flags, and the typed options.

use std::collections::BTreeSet;
use std::ffi::OsString;

use super::*;
use crate::cli::globals;

fn parse(words: &[&str]) -> Result<DaemonOptions, String> {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    let mut given = Given::default();
    match given.read(&words) {
        Ok(_) => Ok(given.options()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn dockerds_words_are_understood() {
    let options = parse(&[
        "-d",
        "-H",
        "unix:///x",
        "-H=tcp://127.0.0.1:1",
        "--data-root",
        "/r",
        "-p",
        "/pid",
        "--live-restore=false",
        "--insecure-registry=a:1",
        "--bip=10.0.0.1/24",
        "-b",
        "br",
        "-G=",
        "--mtu=1400",
        "--log-opt",
        "max-size=1m",
    ])
    .unwrap();
    let expected = DaemonOptions {
        daemon: true,
        hosts: vec!["unix:///x".into(), "tcp://127.0.0.1:1".into()],
        data_root: "/r".into(),
        pidfile: "/pid".into(),
        live_restore: false,
        insecure_registries: vec!["a:1".into()],
        bip: Some("10.0.0.1/24".into()),
        bridge: "br".into(),
        group: String::new(),
        mtu: 1400,
        log_opts: [("max-size".into(), "1m".into())].into(),
        ..DaemonOptions::default()
    };
    assert_eq!(options, expected);
    assert!(!parse(&["ps", "-d"]).unwrap().daemon);
}

#[test]
fn bad_words_are_refused_in_dockers_words() {
    let table = [
        (
            "--label=x",
            "invalid argument \"x\" for \"--label\" flag: bad attribute \
             format: x",
        ),
        (
            "--mtu=x",
            "invalid argument \"x\" for \"--mtu\" flag: strconv.ParseInt: \
             parsing \"x\": invalid syntax",
        ),
        (
            "--default-shm-size=x",
            "invalid argument \"x\" for \"--default-shm-size\" flag: invalid \
             size: 'x'",
        ),
        ("--nosuch", "unknown flag: --nosuch"),
    ];
    for (word, text) in table {
        assert_eq!(parse(&["-d", word]).unwrap_err(), text);
    }
}

#[test]
fn docker_1_2s_forms_are_understood() {
    for word in ["-d", "-d=true", "--daemon=\"true\"", "-d='true'"] {
        assert!(parse(&["-D", word]).unwrap().daemon, "{word}");
    }
    assert!(!parse(&["--daemon=false"]).unwrap().daemon);
    assert_eq!(parse(&["--api-enable-cors"]).unwrap().cors.unwrap(), "*");
    assert_eq!(parse(&["-g", "/r"]).unwrap().data_root.to_str(), Some("/r"));
}

#[test]
fn what_is_said_of_verifying_asks_for_tls() {
    for (words, verifies) in [
        (["--tlsverify=false", "-d"], false),
        (["--tlsverify", "--tls=false"], true),
    ] {
        let options = parse(&words).unwrap();
        assert!(options.tls, "{words:?}");
        assert_eq!(options.tls_verify, verifies, "{words:?}");
    }
}

#[test]
fn every_flag_before_a_command_is_known_to_the_daemon_too() {
    for spec in flag::sorted(globals::FLAGS) {
        let known = settings().map(|row| &row.spec).find(|other| {
            other.long == spec.long && other.short() == spec.short()
        });
        assert!(known.is_some(), "--{}", spec.long);
    }
}

#[test]
fn no_two_settings_have_a_name_in_common() {
    let (mut flags, mut keys) = (BTreeSet::new(), BTreeSet::new());
    let mut shorts = BTreeSet::new();
    for row in settings() {
        let (flag, key) = (row.spec.long, row.key);
        assert!(flag.is_empty() || flags.insert(flag), "--{flag} twice");
        assert!(key.is_empty() || keys.insert(key), "{key} twice");
        if let Some(short) = row.spec.short() {
            assert!(shorts.insert(short), "-{short} twice");
        }
        assert!(!row.name().is_empty());
    }
}

#[test]
fn what_has_no_effect_is_told_unless_it_asks_for_what_is_so_anyway() {
    let remark = |key: &str, value: Value| by_key(key).unwrap().remark(&value);
    assert_eq!(remark("iptables", true.into()), None);
    assert_eq!(remark("ipv6", false.into()), None);
    assert_eq!(remark("storage-opts", Value::Array(vec![])), None);
    assert_eq!(remark("debug", true.into()), None);
    assert_eq!(
        remark("containerd", "/x".into()).unwrap(),
        "containerd has no effect: containers run without containerd"
    );
    assert_eq!(
        remark("oom-score-adjust", 0.into()).unwrap(),
        "Flag --oom-score-adjust has been deprecated, set it in the service \
         manager"
    );
}
