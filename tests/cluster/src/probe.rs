//! Tries one probe once.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::plan::Probe;

/// Tries `probe`; an error says in words what is still wrong.
pub fn attempt(probe: &Probe, path: &str) -> Result<(), String> {
    match probe {
        Probe::Command(argv, expected) => command(argv, expected.as_deref(), path),
        Probe::Socket(socket) => UnixStream::connect(socket)
            .map(drop)
            .map_err(|error| error.to_string()),
        Probe::Dns { server, name } => dns(server, name),
    }
}

fn command(argv: &[String], expected: Option<&str>, path: &str) -> Result<(), String> {
    let (program, arguments) = argv.split_first().ok_or("an empty command")?;
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start {program}: {error}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    match expected {
        _ if !output.status.success() => {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
        Some(text) if stdout.trim() != text => {
            Err(format!("{:?} instead of {text:?}", stdout.trim()))
        }
        _ => Ok(()),
    }
}

fn dns(server: &str, name: &str) -> Result<(), String> {
    let ask = || -> std::io::Result<Vec<u8>> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(300)))?;
        socket.connect(server)?;
        socket.send(&dns_query(name))?;
        let mut answer = vec![0; 512];
        let length = socket.recv(&mut answer)?;
        answer.truncate(length);
        Ok(answer)
    };
    let answer = ask().map_err(|error| error.to_string())?;
    if dns_has_answer(&answer) {
        Ok(())
    } else {
        Err(format!("{server} knows no address of {name}"))
    }
}

/// A question for an IPv4 address (RFC 1035, section 4.1).
fn dns_query(name: &str) -> Vec<u8> {
    let mut query = vec![0x4d, 0x56, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).unwrap_or(63));
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 0, 1, 0, 1]);
    query
}

fn dns_has_answer(answer: &[u8]) -> bool {
    let no_error = answer.get(3).is_some_and(|flags| flags % 16 == 0);
    let records = answer.get(6..8).is_some_and(|count| count != [0, 0]);
    answer.starts_with(&[0x4d, 0x56]) && no_error && records
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/usr/bin:/bin";

    fn argv(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_command_must_end_well_and_say_the_word() {
        assert_eq!(command(&argv("echo True"), Some("True"), PATH), Ok(()));
        assert!(command(&argv("echo False"), Some("True"), PATH).is_err());
        assert!(command(&argv("false"), None, PATH).is_err());
        assert!(command(&argv("no-such-program"), None, PATH).is_err());
    }

    #[test]
    fn a_question_has_the_wire_form() {
        let query = dns_query("a.bc");
        assert_eq!(&query[12..], [1, b'a', 2, b'b', b'c', 0, 0, 1, 0, 1]);
    }

    #[test]
    fn only_an_answer_with_records_counts() {
        let header = |flags: u8, count: u8| [0x4d, 0x56, 0x81, flags, 0, 1, 0, count, 0, 0, 0, 0];
        assert!(dns_has_answer(&header(0x80, 1)));
        assert!(!dns_has_answer(&header(0x83, 0)), "NXDOMAIN");
        assert!(!dns_has_answer(&header(0x80, 0)), "no record");
        assert!(!dns_has_answer(&[]), "nothing");
    }
}
