//! Stops: by one signal gracefully, by two at once.

use std::net::TcpStream;

use crate::running::{Served, folder, log_of};

#[test]
fn r20_a_signal_stops_it_with_exit_code_0() {
    for name in ["TERM", "INT"] {
        let folder = folder();
        let mut served = Served::start(folder.path(), "", &[]);
        served.signal(name);
        assert_eq!(served.wait(), Some(0), "{name}");
        let log = log_of(folder.path());
        assert!(
            log.ends_with("\"message\":\"stopped\"}\n"),
            "the log is whole: {log}"
        );
    }
}

#[test]
fn r20_a_second_signal_does_not_wait() {
    let folder = folder();
    let patient = [("MG_SHUTDOWN_GRACE", "30m"), ("MG_SHUTDOWN_DRAIN", "30m")];
    let mut served = Served::start(folder.path(), "", &patient);
    // With a connection open the grace time would run to its end.
    let mut connection = TcpStream::connect(served.address()).expect("it listens");
    assert!(health(&mut connection).contains("200 OK"));
    served.signal("TERM");
    while !log_of(folder.path()).contains("stopping") {
        std::thread::yield_now();
    }
    served.signal("TERM");
    assert_eq!(served.wait(), Some(1));
    assert!(log_of(folder.path()).contains("modelgate: stopped at once by a second signal"));
}

fn health(connection: &mut TcpStream) -> String {
    use std::io::{Read, Write};
    connection
        .write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        .expect("it reads");
    let mut bytes = [0; 1024];
    let read = connection.read(&mut bytes).expect("it answers");
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}
