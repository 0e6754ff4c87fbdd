//! Tests of the loop with pipes whose other ends the test holds in place of
//! a container.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::*;
use crate::logs::{Config, Follow, Next, Query, Reader};
use crate::shim::client;
use crate::shim::message::{Framing, Stdin, Streams};
use crate::shim::output::Output;
use crate::shim::{Attachment, Report, record};
use crate::sys::poll::EventFd;
use crate::sys::stream::set_nonblocking;

const ALL: Streams = Streams { stdin: true, stdout: true, stderr: true };
const SECOND: Duration = Duration::from_secs(1);

struct Fake {
    exit: EventFd,
}

impl Container for Fake {
    fn end_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.exit.as_fd())
    }
    fn has_ended(&self) -> bool {
        self.exit.wait(Some(Duration::ZERO)).unwrap()
    }
    fn signal(&self, number: i32) -> Result<(), String> {
        if number == 99 { Err("no such signal".into()) } else { Ok(()) }
    }
    fn pause(&self) -> Result<(), String> {
        Ok(())
    }
    fn resume(&self) -> Result<(), String> {
        Ok(())
    }
    fn exec(&self, _: &Spec, _: Stdio) -> runtime::Result<Executing> {
        Err(runtime::StartError::plain("nothing is executed here"))
    }
}

/// A loop in a thread, and the container's ends of its pipes.
struct Rig {
    dir: PathBuf,
    fake: Arc<Fake>,
    stdin: std::io::PipeReader,
    stdout: Option<std::io::PipeWriter>,
    stderr: Option<std::io::PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

fn exit() -> Exit {
    Exit {
        code: 3,
        signal: None,
        oom: false,
        at: Timestamp::from_unix(7, 0),
        dropped_lines: 0,
    }
}

impl Rig {
    fn new(name: &str, stdin: Stdin) -> Rig {
        let dir = std::env::temp_dir()
            .join(format!("skiff-service-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let (stdin_reader, stdin_writer) = std::io::pipe().unwrap();
        let (stdout_reader, stdout) = std::io::pipe().unwrap();
        let (stderr_reader, stderr) = std::io::pipe().unwrap();
        set_nonblocking(&stdin_writer).unwrap();
        let listener = socket::listen_unix(&dir.join(record::SOCKET)).unwrap();
        let state = State {
            version: VERSION,
            boot_id: record::boot_id(),
            pid: 42,
            ..State::default()
        };
        record::save_state(&dir, &state).unwrap();
        let output = |fd: std::io::PipeReader, stream| {
            Output::new(fd.into(), stream).unwrap()
        };
        let mut service = Service {
            state,
            log: logs::Writer::open(&Config::json_file(dir.join("log")))
                .unwrap(),
            session: Session::of(
                stdin,
                Some(stdin_writer.into()),
                vec![
                    output(stdout_reader, logs::Stream::Stdout),
                    output(stderr_reader, logs::Stream::Stderr),
                ],
            ),
            execs: Execs::default(),
            listener: Some(listener),
            connections: Vec::new(),
            connected: 0,
            piece: Piece::new(),
            stirred: true,
        };
        let fake = Arc::new(Fake { exit: EventFd::open().unwrap() });
        let container = fake.clone();
        let run_dir = dir.clone();
        let thread = std::thread::spawn(move || {
            service.run(&*container);
            service.drain(SECOND);
            service.part();
            record::save_exit(&run_dir, &exit()).unwrap();
            service.listener = None;
            service.report(&exit());
            service.connections.clear();
            service.linger();
        });
        Rig {
            dir,
            fake,
            stdin: stdin_reader,
            stdout: Some(stdout),
            stderr: Some(stderr),
            thread: Some(thread),
        }
    }

    fn attach(&self, early: &[u8], framing: Framing) -> UnixStream {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_read_timeout(Some(10 * SECOND)).unwrap();
        let attachment = Attachment {
            socket: far.into(),
            early: early.to_vec(),
            streams: ALL,
            framing,
            detach_keys: vec![16, 17],
            greeting: Vec::new(),
        };
        client::attach(&self.dir, attachment).unwrap();
        near
    }

    fn end(&mut self) {
        self.stdout = None;
        self.stderr = None;
        self.fake.exit.notify();
    }

    fn log(&self) -> Vec<u8> {
        let config = Config::json_file(self.dir.join("log"));
        let query = Query { follow: Follow::No, ..Query::default() };
        let mut reader = Reader::open(&config, query).unwrap();
        let mut all = Vec::new();
        while let Next::Entry(entry) = reader.next().unwrap() {
            all.extend(entry.line);
        }
        all
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.end();
        let result = self.thread.take().map(JoinHandle::join);
        let _ = std::fs::remove_dir_all(&self.dir);
        if !std::thread::panicking() {
            assert!(matches!(result, Some(Ok(()))), "the loop failed");
        }
    }
}

fn read_all(mut client: UnixStream) -> Vec<u8> {
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn output_goes_to_log_and_clients_in_frames() {
    let mut rig = Rig::new("frames", Stdin::Closed);
    let first = rig.attach(b"", Framing::Multiplexed);
    let second = rig.attach(b"", Framing::Raw);
    rig.stdout.as_mut().unwrap().write_all(b"out\n").unwrap();
    let mut third = rig.attach(b"", Framing::Raw);
    let mut head = [0; 4];
    third.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let _ = third.read(&mut head);
    rig.stderr.as_mut().unwrap().write_all(b"err\n").unwrap();
    rig.end();
    let first = read_all(first);
    assert_eq!(first, b"\x01\0\0\0\0\0\0\x04out\n\x02\0\0\0\0\0\0\x04err\n");
    assert_eq!(read_all(second), b"out\nerr\n");
    assert_eq!(rig.log(), b"out\nerr\n");
}

#[test]
fn the_first_clients_end_closes_the_input_that_is_read_once() {
    let mut rig = Rig::new("once", Stdin::Once);
    let mut client = rig.attach(b"early ", Framing::Raw);
    client.write_all(b"late").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut got = String::new();
    rig.stdin.read_to_string(&mut got).unwrap();
    assert_eq!(got, "early late");
    // Output still flows after the half-close.
    rig.stdout.as_mut().unwrap().write_all(b"answer").unwrap();
    rig.end();
    assert_eq!(read_all(client), b"answer");
}

#[test]
fn an_open_input_survives_its_clients() {
    let mut rig = Rig::new("open", Stdin::Open);
    let mut first = rig.attach(b"", Framing::Raw);
    first.write_all(b"one").unwrap();
    first.shutdown(std::net::Shutdown::Write).unwrap();
    // As Docker does, the client is let go.
    assert_eq!(read_all(first), b"");
    let mut second = rig.attach(b"", Framing::Raw);
    second.write_all(b"two").unwrap();
    let mut got = [0; 6];
    rig.stdin.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"onetwo");
}

#[test]
fn a_reader_that_stops_makes_the_program_wait_and_loses_nothing() {
    let mut rig = Rig::new("pressure", Stdin::Closed);
    let slow = rig.attach(b"", Framing::Raw);
    let mut stdout = rig.stdout.take().unwrap();
    let total = 16 << 20;
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    let writer = std::thread::spawn(move || {
        for _ in 0..total / line.len() {
            stdout.write_all(&line).unwrap();
        }
    });
    std::thread::sleep(Duration::from_millis(300));
    assert!(!writer.is_finished(), "the program did not wait");
    let reader = std::thread::spawn(move || read_all(slow).len());
    writer.join().unwrap();
    rig.end();
    assert_eq!(reader.join().unwrap(), total);
    assert_eq!(rig.log().len(), total);
}

#[test]
fn a_reader_that_dies_is_dropped() {
    let mut rig = Rig::new("dead", Stdin::Closed);
    let dead = rig.attach(b"", Framing::Raw);
    let mut stdout = rig.stdout.take().unwrap();
    let writer = std::thread::spawn(move || {
        for _ in 0..64 {
            stdout.write_all(&[b'y'; 65536]).unwrap();
        }
    });
    std::thread::sleep(Duration::from_millis(100));
    assert!(!writer.is_finished());
    drop(dead);
    writer.join().unwrap();
    rig.end();
    rig.thread.take().unwrap().join().unwrap();
    assert_eq!(rig.log().len(), 64 * 65536);
    rig.thread = Some(std::thread::spawn(|| ()));
}

#[test]
fn a_slow_reader_gets_its_rest_after_the_end_was_reported() {
    let mut rig = Rig::new("linger", Stdin::Closed);
    let slow = rig.attach(b"", Framing::Raw);
    let (_, mut monitor) = client::reconnect(&rig.dir).unwrap();
    let mut stdout = rig.stdout.take().unwrap();
    stdout.write_all(&vec![b'z'; 600_000]).unwrap();
    drop(stdout);
    rig.end();
    assert!(poll::wait_readable(&monitor, Some(5 * SECOND)).unwrap());
    assert_eq!(monitor.read(), Report::Exit(exit()));
    assert!(poll::wait_readable(&monitor, Some(5 * SECOND)).unwrap());
    assert_eq!(monitor.read(), Report::Gone);
    assert_eq!(read_all(slow).len(), 600_000);
}

#[test]
fn the_end_is_reported_to_every_monitor_and_found_later() {
    let mut rig = Rig::new("monitors", Stdin::Closed);
    let (state, mut first) = client::reconnect(&rig.dir).unwrap();
    assert_eq!(state.pid, 42);
    let (_, mut second) = client::reconnect(&rig.dir).unwrap();
    assert_eq!(first.read(), Report::Nothing);
    rig.end();
    for monitor in [&mut first, &mut second] {
        assert!(poll::wait_readable(&*monitor, Some(5 * SECOND)).unwrap());
        assert_eq!(monitor.read(), Report::Exit(exit()));
    }
    rig.thread.take().unwrap().join().unwrap();
    let gone = client::reconnect(&rig.dir).unwrap_err();
    assert!(matches!(gone, client::Gone::Exited(e) if e == exit()));
    rig.thread = Some(std::thread::spawn(|| ()));
}

#[test]
fn requests_are_answered_and_a_stalled_peer_stops_nobody() {
    let rig = Rig::new("requests", Stdin::Closed);
    let path = rig.dir.join(record::SOCKET);
    let mut stalled = socket::connect_unix(&path).unwrap();
    stalled.write_all(&[1, 0, 0, 0, 9, 0, 0]).unwrap();
    let mut mad = socket::connect_unix(&path).unwrap();
    mad.write_all(&[0xff; 64]).unwrap();
    client::signal(&rig.dir, None, 15).unwrap();
    client::resize(&rig.dir, None, 40, 100).unwrap();
    client::pause(&rig.dir).unwrap();
    client::resume(&rig.dir).unwrap();
    let error = client::signal(&rig.dir, None, 99).unwrap_err();
    assert_eq!(error.to_string(), "no such signal");
    let mut rest = Vec::new();
    let _ = mad.read_to_end(&mut rest);
    drop(stalled);
}
