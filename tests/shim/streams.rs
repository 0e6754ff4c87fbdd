//! What flows between a program and its clients: nothing is lost, and
//! nobody waits for the dead.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::Command;
use std::time::Duration;

use skiff::logs::Config;
use skiff::shim::{self, Framing, Report, Stdin};

use super::{Box, client, read_all, read_until, wait};

#[test]
fn input_reaches_the_program_and_its_end_too() {
    let mut container = Box::new("cat; echo done");
    container.start.stdin = Stdin::Once;
    let (mut near, mut attachment) = client(Framing::Raw);
    attachment.early = b"early ".to_vec();
    let (_, mut monitor) = container.run(vec![attachment]);
    near.write_all(b"late\n").unwrap();
    near.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(near), b"early late\ndone\n");
    assert_eq!(wait(&mut monitor).code, 0);
}

#[test]
fn a_terminal_is_resized_detached_from_and_attached_again() {
    let mut container = Box::new(
        "echo tty:$(tty); read x; stty size; read x; echo bye:$x; exit 5",
    );
    container.start.spec.tty = Some((24, 80));
    container.start.stdin = Stdin::Open;
    let (mut near, attachment) = client(Framing::Multiplexed);
    let (_, mut monitor) = container.run(vec![attachment]);
    read_until(&mut near, "tty:/dev/pts/0\r\n");
    shim::resize(&container.start.run_dir, None, 33, 99).unwrap();
    near.write_all(b"\n").unwrap();
    read_until(&mut near, "33 99\r\n");
    near.write_all(&[16, 17]).unwrap();
    read_all(near);
    let mut again = container.attach();
    again.write_all(b"word\n").unwrap();
    read_until(&mut again, "bye:word\r\n");
    assert_eq!(wait(&mut monitor).code, 5);
    assert!(container.log().ends_with(b"bye:word\r\n"));
}

#[test]
fn a_reader_that_pauses_loses_no_byte_of_64_mib() {
    let container = Box::new("head -c 67108864 /dev/zero | tr '\\0' x");
    let (mut near, attachment) = client(Framing::Raw);
    let (_, mut monitor) = container.run(vec![attachment]);
    let mut block = vec![0; 1 << 16];
    let mut got = near.read(&mut block).unwrap();
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(monitor.read(), Report::Nothing, "the program did not wait");
    loop {
        match near.read(&mut block).unwrap() {
            0 => break,
            n => got += n,
        }
    }
    assert_eq!(got, 64 << 20);
    assert_eq!(wait(&mut monitor).code, 0);
    assert_eq!(container.log().len(), 64 << 20);
}

#[test]
fn a_reader_that_dies_is_dropped_and_the_program_goes_on() {
    let container = Box::new("head -c 8388608 /dev/zero | tr '\\0' x; exit 4");
    let (near, attachment) = client(Framing::Raw);
    let (_, mut monitor) = container.run(vec![attachment]);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(monitor.read(), Report::Nothing);
    drop(near);
    assert_eq!(wait(&mut monitor).code, 4);
    assert_eq!(container.log().len(), 8 << 20);
}

#[test]
fn a_full_disk_drops_lines_and_the_program_goes_on() {
    let mut container = Box::new(
        "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; exit 6",
    );
    let disk = container.dir.join("disk");
    std::fs::create_dir_all(&disk).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=32k", "tmpfs"])
        .arg(&disk)
        .status()
        .unwrap();
    assert!(mounted.success());
    container.start.log = Config::json_file(disk.join("log"));
    let (_, mut monitor) = container.run(Vec::new());
    let exit = wait(&mut monitor);
    let text = std::fs::read_to_string(disk.join("log")).unwrap();
    let kept = String::from_utf8(container.log()).unwrap();
    let unmounted = Command::new("umount").arg(&disk).status().unwrap();
    assert!(unmounted.success());
    assert_eq!(exit.code, 6);
    assert!(exit.dropped_lines > 0);
    assert!(text.ends_with('\n'));
    assert_eq!(kept.lines().count() as u64 + exit.dropped_lines, 2000);
    assert!(kept.starts_with("line 0\nline 1\n"), "{kept}");
}
