//! Profiles in Docker's form, of which OCI's is a part: what
//! `--security-opt seccomp=` names, and `--seccomp-profile`.
//!
//! A profile is read as Docker reads it: entries that are not for this
//! machine, kernel or set of capabilities are left out first. Then it is
//! treated as runc and libseccomp treat it: names that are not known are
//! passed over; an entry without arguments wins over those with them; of
//! the others the first that fits decides; of entries that test one
//! argument twice, each test counts for itself; a call that is newer than
//! all that are named gets ENOSYS, unless such calls go through.

use std::collections::BTreeMap;

use super::compile::{self, Leaves, Machine, Op, Rule, Test, Verdict, Width};
use super::table::{CALLS, Call};
use super::{Arch, put};
use crate::json::{self, FromJson};
use crate::runtime::caps::{Set, number};
use crate::runtime::error::StartError;
use crate::runtime::spec::Filter;

/// The name that Docker has for this machine in `arches`.
const NATIVE: &str = "amd64";

const ACTIONS: [(&str, Verdict); 8] = [
    ("SCMP_ACT_ALLOW", compile::ALLOW),
    ("SCMP_ACT_ERRNO", compile::ERRNO),
    ("SCMP_ACT_KILL", compile::KILL_THREAD),
    ("SCMP_ACT_KILL_PROCESS", compile::KILL_PROCESS),
    ("SCMP_ACT_KILL_THREAD", compile::KILL_THREAD),
    ("SCMP_ACT_LOG", compile::LOG),
    ("SCMP_ACT_TRACE", compile::TRACE),
    ("SCMP_ACT_TRAP", compile::TRAP),
];

const OPS: [(&str, Op); 7] = [
    ("SCMP_CMP_EQ", Op::Eq),
    ("SCMP_CMP_GE", Op::Ge),
    ("SCMP_CMP_GT", Op::Gt),
    ("SCMP_CMP_LE", Op::Le),
    ("SCMP_CMP_LT", Op::Lt),
    ("SCMP_CMP_MASKED_EQ", Op::MaskedEq),
    ("SCMP_CMP_NE", Op::Ne),
];

/// SECCOMP_FILTER_FLAG_* by their names.
const FLAGS: [(&str, u32); 4] = [
    ("SECCOMP_FILTER_FLAG_LOG", 2),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", SPEC_ALLOW),
    ("SECCOMP_FILTER_FLAG_TSYNC", 1),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 32),
];

/// What a filter is set with that names no flags: it does not turn branch
/// prediction off.
pub const SPEC_ALLOW: u32 = 4;

/// Architectures of other machines, which may be named as well.
const OTHERS: &str = " ARM AARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 \
    MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X PARISC PARISC64 RISCV64 \
    LOONGARCH64 M68K SH SHEB ";

/// What i386 also reaches by socketcall(2), by number from 1 on.
const SOCKET_CALLS: [&str; 20] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];

/// What i386 also reaches by ipc(2), by number from 1 on.
const IPC_CALLS: [&str; 24] = [
    "semop",
    "semget",
    "semctl",
    "semtimedop",
    "",
    "",
    "",
    "",
    "",
    "",
    "msgsnd",
    "msgrcv",
    "msgget",
    "msgctl",
    "",
    "",
    "",
    "",
    "",
    "",
    "shmat",
    "shmdt",
    "shmget",
    "shmctl",
];

#[derive(Default, FromJson)]
#[serde(default, rename_all = "camelCase")]
struct Seccomp {
    default_action: String,
    default_errno_ret: Option<u32>,
    architectures: Vec<String>,
    arch_map: Vec<Architecture>,
    flags: Option<Vec<String>>,
    syscalls: Vec<Syscall>,
}

#[derive(Default, FromJson)]
#[serde(default, rename_all = "camelCase")]
struct Architecture {
    architecture: String,
    sub_architectures: Vec<String>,
}

#[derive(Default, FromJson)]
#[serde(default, rename_all = "camelCase")]
struct Syscall {
    name: String,
    names: Vec<String>,
    action: String,
    errno_ret: Option<u32>,
    args: Vec<Arg>,
    includes: Condition,
    excludes: Condition,
}

#[derive(Default, FromJson)]
#[serde(default, rename_all = "camelCase")]
struct Arg {
    index: u32,
    value: u64,
    value_two: u64,
    op: String,
}

#[derive(Default, FromJson)]
#[serde(default, rename_all = "camelCase")]
struct Condition {
    caps: Vec<String>,
    arches: Vec<String>,
    min_kernel: String,
}

/// Compiles the text of a profile for a set of capabilities and a kernel's
/// release; none if it names nothing, which is no filter. The error is
/// Docker's or its runtime's.
pub fn compile_text(
    text: &str,
    set: Set,
    kernel: &str,
) -> Result<Option<Filter>, StartError> {
    let failed = |e: &dyn std::fmt::Display| {
        StartError::plain(format!("Decoding seccomp profile failed: {e}"))
    };
    let mut profile: Seccomp =
        json::from_slice(text.as_bytes()).map_err(|e| failed(&e))?;
    if profile.default_action.is_empty() && profile.syscalls.is_empty() {
        return Ok(None);
    }
    if !profile.architectures.is_empty() && !profile.arch_map.is_empty() {
        return Err(both("architectures", "archMap"));
    }
    for call in &profile.syscalls {
        for condition in [&call.includes, &call.excludes] {
            condition.check().map_err(|e| failed(&e))?;
        }
        if !call.name.is_empty() && !call.names.is_empty() {
            return Err(both("name", "names"));
        }
    }
    let kernel = numbers(kernel).unwrap_or_default();
    profile.syscalls.retain(|call| {
        !call.excludes.any(set, kernel) && call.includes.all(set, kernel)
    });
    let native = |map: &Architecture| map.architecture == "SCMP_ARCH_X86_64";
    if let Some(map) = profile.arch_map.into_iter().find(native) {
        profile.architectures.push(map.architecture);
        profile.architectures.extend(map.sub_architectures);
    }
    compile(
        &profile.flags,
        &profile.architectures,
        &Parts {
            default: (profile.default_action, profile.default_errno_ret),
            syscalls: profile.syscalls,
        },
    )
    .map(Some)
    .map_err(|text| StartError::runtime(&text))
}

fn both(one: &str, other: &str) -> StartError {
    StartError::plain(format!(
        "both '{one}' and '{other}' are specified in the seccomp profile, use \
         either '{one}' or '{other}'"
    ))
}

impl Condition {
    fn check(&self) -> Result<(), String> {
        let given = &self.min_kernel;
        match given.is_empty()
            || numbers(given).is_some_and(|_| {
                given.chars().all(|c| c.is_ascii_digit() || c == '.')
                    && given.matches('.').count() == 1
            }) {
            true => Ok(()),
            false => Err(format!(
                "invalid kernel version: \"{given}\", expected \
                 \"<kernel>.<major>\""
            )),
        }
    }

    fn has_kernel(&self, kernel: (u32, u32)) -> bool {
        numbers(&self.min_kernel).is_some_and(|least| kernel >= least)
    }

    fn has(set: Set, name: &str) -> bool {
        name.starts_with("CAP_") && number(name).is_some_and(|n| set.has(n))
    }

    /// Whether one of what is listed is there.
    fn any(&self, set: Set, kernel: (u32, u32)) -> bool {
        self.arches.iter().any(|arch| arch == NATIVE)
            || self.caps.iter().any(|name| Self::has(set, name))
            || self.has_kernel(kernel)
    }

    /// Whether all that is asked for is there: one of the machines, every
    /// capability, the kernel.
    fn all(&self, set: Set, kernel: (u32, u32)) -> bool {
        (self.arches.is_empty() || self.arches.iter().any(|a| a == NATIVE))
            && self.caps.iter().all(|name| Self::has(set, name))
            && (self.min_kernel.is_empty() || self.has_kernel(kernel))
    }
}

/// The first two numbers of a release.
fn numbers(release: &str) -> Option<(u32, u32)> {
    let mut words = release.split(|c: char| !c.is_ascii_digit());
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// What is left of a profile for this machine.
struct Parts {
    default: (String, Option<u32>),
    syscalls: Vec<Syscall>,
}

/// What is done with one call.
#[derive(Default)]
struct Pending {
    rules: Vec<Rule>,
    always: Option<Verdict>,
}

/// What is done with the calls of one machine, by number.
#[derive(Default)]
struct Calls {
    pending: BTreeMap<usize, Pending>,
    last: Option<usize>,
}

fn compile(
    flags: &Option<Vec<String>>,
    architectures: &[String],
    parts: &Parts,
) -> Result<Filter, String> {
    let bits = match flags {
        None => SPEC_ALLOW,
        Some(names) => names.iter().try_fold(0, |bits, name| {
            let bit = find(&FLAGS, name).ok_or_else(|| {
                format!("seccomp flag {name:?} not known to runc")
            });
            bit.map(|bit| bits | bit)
        })?,
    };
    let (mut x32, mut i386) = (false, false);
    for name in architectures {
        match name.strip_prefix("SCMP_ARCH_") {
            Some("X86_64") => {}
            Some("X32") => x32 = true,
            Some("X86") => i386 = true,
            Some(other) if OTHERS.contains(&format!(" {other} ")) => {}
            _ => {
                return Err(format!(
                    "string {name} is not a valid arch for seccomp"
                ));
            }
        }
    }
    let default = verdict(&parts.default.0, parts.default.1)?;
    let mut calls = [(); 3].map(|()| Calls::default());
    for call in &parts.syscalls {
        add_entry(&mut calls, call, default)?;
    }
    let mut leaves = Leaves::default();
    let other = leaves.add(&[], default, Width::Low);
    let [mut x86_64, mut x32_calls, mut i386_calls] = calls;
    let mut machine = |calls: &mut Calls, width| {
        let mut numbers = Vec::new();
        for (number, pending) in &calls.pending {
            let otherwise = pending.always.unwrap_or(default);
            let leaf = leaves.add(&pending.rules, otherwise, width);
            put(&mut numbers, *number, leaf, other);
        }
        let goes_through = |verdict| {
            matches!(verdict, compile::ALLOW | compile::LOG)
                || verdict & 0xffff_0000 == compile::TRACE
        };
        let beyond = match calls.last {
            Some(last) if !goes_through(default) => {
                numbers.resize(numbers.len().max(last + 1), other);
                compile::ERRNO | compile::ENOSYS
            }
            _ => default,
        };
        Machine { numbers, beyond }
    };
    let x86_64 = machine(&mut x86_64, Width::Full);
    let x32 = x32.then(|| machine(&mut x32_calls, Width::Full));
    let i386 = i386.then(|| machine(&mut i386_calls, Width::Low));
    let code = compile::compile(&leaves, &x86_64, x32.as_ref(), i386.as_ref());
    if code.len() > compile::LONGEST {
        return Err(format!(
            "unable to init seccomp: the filter has {} instructions, more \
             than a kernel takes",
            code.len()
        ));
    }
    let code = code.into_iter().map(u64::from).collect();
    Ok(Filter { flags: bits, code })
}

/// Adds one entry to what is done with the calls that it names.
fn add_entry(
    calls: &mut [Calls; 3],
    entry: &Syscall,
    default: Verdict,
) -> Result<(), String> {
    let verdict = verdict(&entry.action, entry.errno_ret)?;
    let tests = entry.args.iter().map(test);
    let tests = tests.collect::<Result<Vec<Test>, String>>()?;
    let one = (!entry.name.is_empty()).then_some(&entry.name);
    for name in entry.names.iter().chain(one) {
        if name.is_empty() {
            return Err("empty string is not a valid syscall".into());
        }
        let mut add = |call: &Call, arch: Arch, tests: &[Test]| {
            let Some(number) = call.number(arch) else { return };
            let calls = &mut calls[arch as usize];
            calls.last = calls.last.max(Some(number));
            if verdict != default {
                calls.pending.entry(number).or_default().add(tests, verdict);
            }
        };
        if let Some(call) = known(name) {
            for arch in [Arch::X86_64, Arch::X32, Arch::I386] {
                add(call, arch, &tests);
            }
        }
        // Their arguments are in memory, where no filter sees them.
        if !tests.is_empty() {
            continue;
        }
        for (by, list) in
            [("socketcall", &SOCKET_CALLS[..]), ("ipc", &IPC_CALLS[..])]
        {
            let at = list.iter().position(|listed| listed == name);
            let Some((at, call)) = at.zip(known(by)) else { continue };
            let value = at as u64 + 1;
            let test = Test { index: 0, op: Op::Eq, value, second: 0 };
            add(call, Arch::I386, &[test]);
        }
    }
    Ok(())
}

impl Pending {
    fn add(&mut self, tests: &[Test], verdict: Verdict) {
        if self.always.is_some() {
            return;
        }
        if tests.is_empty() {
            self.rules.clear();
            self.always = Some(verdict);
            return;
        }
        let twice = tests
            .iter()
            .enumerate()
            .any(|(at, t)| tests[..at].iter().any(|o| o.index == t.index));
        let together = if twice { 1 } else { tests.len() };
        let rule = |tests: &[Test]| Rule { tests: tests.to_vec(), verdict };
        self.rules.extend(tests.chunks(together).map(rule));
    }
}

fn test(arg: &Arg) -> Result<Test, String> {
    let op = find(&OPS, &arg.op).ok_or_else(|| {
        format!("string {} is not a valid operator for seccomp", arg.op)
    })?;
    match arg.index {
        index @ 0..6 => Ok(Test {
            index: index as u8,
            op,
            value: arg.value,
            second: arg.value_two,
        }),
        index => Err(format!(
            "unable to init seccomp: syscalls only have up to 6 arguments \
             ({index} given)"
        )),
    }
}

fn verdict(action: &str, number: Option<u32>) -> Result<Verdict, String> {
    if action == "SCMP_ACT_NOTIFY" {
        return Err("SCMP_ACT_NOTIFY is not supported by this engine".into());
    }
    let verdict = find(&ACTIONS, action).ok_or_else(|| {
        format!("string {action} is not a valid action for seccomp")
    })?;
    Ok(match verdict {
        compile::ERRNO | compile::TRACE => {
            verdict | number.unwrap_or(compile::EPERM) & 0xffff
        }
        other => other,
    })
}

fn find<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

fn known(name: &str) -> Option<&'static Call> {
    let at = CALLS.binary_search_by(|call| call.name.cmp(name)).ok()?;
    Some(&CALLS[at])
}

#[cfg(test)]
mod tests {
    use super::super::compile::tests::{I386, X32, X86_64, errno, run};
    use super::*;
    use crate::sys::seccomp::Instruction;

    fn load(text: &str, set: Set) -> Result<Vec<Instruction>, String> {
        let filter = compile_text(text, set, "5.10.0-8-amd64");
        let filter = filter.map_err(|e| e.message)?.expect("a filter");
        Ok(filter.code.into_iter().map(Instruction::from).collect())
    }

    fn wide(code: &[Instruction], number: u32, args: &[u64]) -> u32 {
        let mut all = [0; 6];
        all[..args.len()].copy_from_slice(args);
        run(code, X86_64, number, all)
    }

    const MKDIR: u32 = 83;
    const CHMOD: u32 = 90;
    const UMASK: u32 = 95;

    #[test]
    fn entries_decide_and_the_rest_gets_the_default() {
        let code = load(
            r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":13,
            "architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],
            "syscalls":[
              {"names":["mkdir","no_such_call"],"action":"SCMP_ACT_ALLOW"},
              {"name":"chmod","action":"SCMP_ACT_ERRNO","errnoRet":77},
              {"names":["umask"],"action":"SCMP_ACT_TRACE","errnoRet":5},
              {"names":["read"],"action":"SCMP_ACT_KILL"},
              {"names":["write"],"action":"SCMP_ACT_KILL_PROCESS"},
              {"names":["open"],"action":"SCMP_ACT_TRAP"},
              {"names":["close"],"action":"SCMP_ACT_LOG"}]}"#,
            Set(0),
        )
        .unwrap();
        assert_eq!(wide(&code, MKDIR, &[]), compile::ALLOW);
        assert_eq!(wide(&code, CHMOD, &[]), errno(77));
        assert_eq!(wide(&code, UMASK, &[]), compile::TRACE | 5);
        assert_eq!(wide(&code, 0, &[]), compile::KILL_THREAD);
        assert_eq!(wide(&code, 1, &[]), compile::KILL_PROCESS);
        assert_eq!(wide(&code, 2, &[]), compile::TRAP);
        assert_eq!(wide(&code, 3, &[]), compile::LOG);
        assert_eq!(wide(&code, 4, &[]), errno(13));
        // Newer than all that is named.
        assert_eq!(wide(&code, UMASK + 1, &[]), errno(38));
        // mkdir and stat of i386.
        assert_eq!(run(&code, I386, 39, [0; 6]), compile::ALLOW);
        assert_eq!(run(&code, I386, 18, [0; 6]), errno(13));
        // x32 is not among the architectures.
        assert_eq!(wide(&code, X32 | 4, &[]), compile::KILL_PROCESS);
    }

    #[test]
    fn what_is_refused_among_all_that_is_allowed_is_refused_everywhere() {
        let code = load(
            r#"{"defaultAction":"SCMP_ACT_ALLOW","archMap":[
              {"architecture":"SCMP_ARCH_AARCH64","subArchitectures":null},
              {"architecture":"SCMP_ARCH_X86_64",
               "subArchitectures":["SCMP_ARCH_X86","SCMP_ARCH_X32"]}],
            "syscalls":[{"names":["socket","mkdir","shmget","ptrace"],
              "action":"SCMP_ACT_ERRNO"}]}"#,
            Set(0),
        )
        .unwrap();
        assert_eq!(wide(&code, MKDIR, &[]), errno(1));
        assert_eq!(wide(&code, X32 | MKDIR, &[]), errno(1));
        // ptrace has a number of its own there.
        assert_eq!(wide(&code, X32 | 521, &[]), errno(1));
        assert_eq!(wide(&code, X32 | 520, &[]), compile::ALLOW);
        assert_eq!(wide(&code, 5000, &[]), compile::ALLOW);
        let old =
            |number, first| run(&code, I386, number, [first, 0, 0, 0, 0, 0]);
        // socket itself, and by socketcall; shmget by ipc.
        assert_eq!(old(359, 0), errno(1));
        assert_eq!(old(102, 1), errno(1));
        assert_eq!(old(102, 2), compile::ALLOW);
        assert_eq!(old(117, 23), errno(1));
        assert_eq!(old(117, 24), compile::ALLOW);
    }

    #[test]
    fn arguments_are_tested_together_or_each_for_itself() {
        let code = load(
            r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
              {"names":["mkdir"],"action":"SCMP_ACT_ALLOW","args":[
                {"index":0,"value":5,"op":"SCMP_CMP_EQ"},
                {"index":1,"value":4294967296,"op":"SCMP_CMP_GE"}]},
              {"names":["chmod"],"action":"SCMP_ACT_ALLOW","args":[
                {"index":0,"value":5,"op":"SCMP_CMP_EQ"},
                {"index":0,"value":9,"op":"SCMP_CMP_EQ"}]},
              {"names":["umask"],"action":"SCMP_ACT_ALLOW","args":[
                {"index":0,"value":255,"valueTwo":16,
                 "op":"SCMP_CMP_MASKED_EQ"}]},
              {"names":["umask"],"action":"SCMP_ACT_KILL","args":[
                {"index":0,"value":1,"op":"SCMP_CMP_EQ"}]},
              {"names":["read"],"action":"SCMP_ACT_KILL","args":[
                {"index":0,"value":1,"op":"SCMP_CMP_EQ"}]},
              {"names":["read"],"action":"SCMP_ACT_ALLOW"}]}"#,
            Set(0),
        )
        .unwrap();
        let (yes, no) = (compile::ALLOW, errno(1));
        assert_eq!(wide(&code, MKDIR, &[5, 1 << 32]), yes);
        assert_eq!(wide(&code, MKDIR, &[5, 1]), no);
        assert_eq!(wide(&code, MKDIR, &[6, 1 << 32]), no);
        assert_eq!(wide(&code, CHMOD, &[5]), yes);
        assert_eq!(wide(&code, CHMOD, &[9]), yes);
        assert_eq!(wide(&code, CHMOD, &[7]), no);
        assert_eq!(wide(&code, UMASK, &[0x510]), yes);
        assert_eq!(wide(&code, UMASK, &[0x511]), no);
        assert_eq!(wide(&code, UMASK, &[1]), compile::KILL_THREAD);
        assert_eq!(wide(&code, 0, &[1]), yes);
    }

    #[test]
    fn entries_are_for_machines_capabilities_and_kernels() {
        let entry = |condition: &str| {
            let text = format!(
                r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
                {{"names":["umask"],"action":"SCMP_ACT_LOG"}},
                {{"names":["mkdir"],"action":"SCMP_ACT_ALLOW",
                "comment":"",{condition}}}]}}"#
            );
            let set = Set::parse(&["CAP_CHOWN".into(), "CAP_KILL".into()]).0;
            let code = load(&text, set).unwrap();
            wide(&code, MKDIR, &[]) == compile::ALLOW
        };
        assert!(entry(r#""includes":{},"excludes":null"#));
        assert!(entry(r#""includes":{"caps":["CAP_CHOWN","CAP_KILL"]}"#));
        assert!(!entry(r#""includes":{"caps":["CAP_CHOWN","CAP_BPF"]}"#));
        assert!(!entry(r#""excludes":{"caps":["CAP_BPF","CAP_KILL"]}"#));
        assert!(entry(r#""excludes":{"caps":["CAP_BPF"]}"#));
        assert!(entry(r#""includes":{"arches":["s390","amd64"]}"#));
        assert!(!entry(r#""includes":{"arches":["s390"]}"#));
        assert!(!entry(r#""excludes":{"arches":["amd64"]}"#));
        assert!(entry(r#""includes":{"minKernel":"5.10"}"#));
        assert!(!entry(r#""includes":{"minKernel":"5.11"}"#));
        assert!(entry(r#""includes":{"minKernel":"4.19"}"#));
        assert!(!entry(r#""excludes":{"minKernel":"4.8"}"#));
    }

    #[test]
    fn bad_profiles_are_refused_in_the_engines_words() {
        let refused = |text: &str| load(text, Set(0)).unwrap_err();
        assert_eq!(
            refused("default"),
            "Decoding seccomp profile failed: invalid character 'd' looking \
             for beginning of value"
        );
        let one = |entry: &str| {
            refused(&format!(
                r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{entry}]}}"#
            ))
        };
        let ends = |text: String, end: &str| {
            assert!(text.ends_with(end), "{text}");
        };
        ends(
            one(r#"{"name":"a","names":["b"],"action":"SCMP_ACT_LOG"}"#),
            "use either 'name' or 'names'",
        );
        ends(
            one(r#"{"names":["b"],"action":"SCMP_ACT_FOO"}"#),
            "string SCMP_ACT_FOO is not a valid action for seccomp: unknown",
        );
        ends(
            one(r#"{"names":["b"],"action":"SCMP_ACT_NOTIFY"}"#),
            "SCMP_ACT_NOTIFY is not supported by this engine: unknown",
        );
        ends(
            one(r#"{"names":["b"],"action":"SCMP_ACT_LOG",
                "args":[{"index":0,"op":"EQ"}]}"#),
            "string EQ is not a valid operator for seccomp: unknown",
        );
        ends(
            one(r#"{"names":["b"],"action":"SCMP_ACT_LOG",
                "args":[{"index":6,"op":"SCMP_CMP_EQ"}]}"#),
            "syscalls only have up to 6 arguments (6 given): unknown",
        );
        ends(
            one(r#"{"names":["b"],"includes":{"minKernel":"4.8.1"}}"#),
            "invalid kernel version: \"4.8.1\", expected \
             \"<kernel>.<major>\"",
        );
        ends(
            refused(
                r#"{"defaultAction":"SCMP_ACT_ALLOW",
                "architectures":["SCMP_ARCH_VAX"]}"#,
            ),
            "string SCMP_ARCH_VAX is not a valid arch for seccomp: unknown",
        );
        ends(
            refused(
                r#"{"architectures":["a"],"archMap":[{}],"syscalls":[{}]}"#,
            ),
            "use either 'architectures' or 'archMap'",
        );
        let none = compile_text("{}", Set(0), "6.1");
        assert_eq!(none, Ok(None));
    }

    #[test]
    fn flags_are_taken_by_their_names() {
        let flags = |list: &str| {
            let text = format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW"{list}}}"#);
            let filter = compile_text(&text, Set(0), "6.1");
            filter.map(|filter| filter.expect("a filter").flags)
        };
        assert_eq!(flags(""), Ok(4));
        assert_eq!(flags(r#","flags":[]"#), Ok(0));
        assert_eq!(flags(r#","flags":["SECCOMP_FILTER_FLAG_LOG"]"#), Ok(2));
        assert!(flags(r#","flags":["X"]"#).is_err());
    }
}
