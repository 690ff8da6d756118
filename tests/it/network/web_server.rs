//! A server of one handler: what comes in goes to a closure that writes what it likes.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// Listens at an address of the loopback until it is dropped.
pub struct Server {
    pub at: std::net::SocketAddr,
    calls: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Server {
    /// `answer` gets each request's head, of any protocol that looks like HTTP, and may keep the connection.
    pub fn start(address: &str, answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let (calls, over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (counted, ended, answer) = (calls.clone(), over.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                counted.fetch_add(1, Ordering::SeqCst);
                let (mut stream, answer) = (stream.unwrap(), answer.clone());
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let mut head = String::new();
                    while reader.read_line(&mut head).is_ok_and(|count| count > 0) {
                        if head.ends_with("\r\n\r\n") {
                            answer(&std::mem::take(&mut head), &mut stream);
                        }
                    }
                });
            }
        });
        Self { at, calls, over }
    }

    /// One that nobody may call: at an address that the rules of the tests do not allow.
    pub fn trap() -> Self {
        Self::start("127.0.0.2", |_, _| {})
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.at)
    }

    /// How often somebody has connected.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.at);
    }
}

/// The path of a request.
pub fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}

/// Answers with a body and hangs up.
pub fn reply(stream: &mut TcpStream, status: &str, fields: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    // The client may have gone.
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
    let _ = stream.shutdown(std::net::Shutdown::Both);
}
