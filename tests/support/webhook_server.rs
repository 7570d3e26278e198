//! A web server on loopback that takes webhooks and answers as it is told: well, badly, slowly, never.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_mins(1);

/// How one request is answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// With a status, headers (each with its line end) and a body.
    Status(u16, String, String),
    /// Not at all; the connection stays open until the client goes.
    Hang,
    /// With one byte of a header at a time, for as long as the client waits.
    Drip,
    /// With what is no HTTP.
    Garbage,
    /// The connection is closed.
    Close,
}

impl Answer {
    /// A status and nothing else.
    pub(crate) fn status(status: u16) -> Self {
        Self::Status(status, String::new(), String::new())
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The path with what follows it.
    pub(crate) path: String,
    /// All headers, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: String,
}

impl Request {
    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The server; it goes on until the test ends.
pub(crate) struct WebhookServer {
    address: SocketAddr,
    requests: Receiver<Request>,
}

impl WebhookServer {
    /// Answers requests one after another with `answers`, and all that follow as the last.
    pub(crate) fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("its address");
        let answers: Arc<Mutex<VecDeque<Answer>>> = Arc::new(Mutex::new(answers.into_iter().collect()));
        let (sender, requests) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answers, sender) = (Arc::clone(&answers), sender.clone());
                std::thread::spawn(move || serve(stream, &answers, &sender));
            }
        });
        Self { address, requests }
    }

    /// The address of a path, which begins with `/`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request; fails where none comes.
    #[track_caller]
    pub(crate) fn next(&self) -> Request {
        self.requests.recv_timeout(PATIENCE).expect("a request")
    }

    /// The requests that have come and were not looked at.
    pub(crate) fn so_far(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }
}

fn serve(stream: TcpStream, answers: &Mutex<VecDeque<Answer>>, sender: &Sender<Request>) {
    let mut reader = BufReader::new(stream);
    let Some(request) = read(&mut reader) else { return };
    let mut waiting = answers.lock().expect("the answers");
    let answer = if waiting.len() > 1 { waiting.pop_front() } else { waiting.front().cloned() };
    drop(waiting);
    // A test that has ended hears nothing more.
    sender.send(request).ok();
    let mut stream = reader.into_inner();
    match answer.expect("at least one answer") {
        Answer::Status(status, headers, body) => {
            let length = body.len();
            let text = format!(
                "HTTP/1.1 {status} Said\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            stream.write_all(text.as_bytes()).ok();
        }
        // The read ends when the client closes its side.
        Answer::Hang => drop(stream.read(&mut [0])),
        Answer::Drip => {
            stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
            stream.write_all(b"HTTP/1.1 200 OK\r\nx-slow: ").ok();
            // The wait between two bytes is that for a client, which says nothing.
            while stream.write_all(b"z").is_ok() {
                if matches!(stream.read(&mut [0]), Ok(0)) {
                    break;
                }
            }
        }
        Answer::Garbage => drop(stream.write_all(b"\x00\xff what is this\r\n\r\n")),
        Answer::Close => {}
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { path, headers, body: String::from_utf8(body).ok()? })
}
