//! The way to a Redis server, over loopback, on which a test makes happen what happens to networks.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// What becomes of what goes over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It goes through.
    Open,
    /// It goes through so much later, each way.
    Slow(Duration),
    /// It is swallowed for the time being, and goes through when the way is open again.
    Silent,
    /// Connections are broken, and new ones with them.
    Cut,
}

struct Shared {
    way: Way,
    ended: bool,
    /// Both ends of all connections.
    clients: Vec<TcpStream>,
    servers: Vec<UnixStream>,
    accepted: usize,
}

struct Inner {
    shared: Mutex<Shared>,
    changed: Condvar,
    server: PathBuf,
}

/// A port that leads to a server's socket.
pub(crate) struct RedisProxy {
    inner: Arc<Inner>,
    port: u16,
}

impl RedisProxy {
    /// Opens a way to the server behind `socket`.
    pub(crate) fn to(socket: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let shared =
            Shared { way: Way::Open, ended: false, clients: Vec::new(), servers: Vec::new(), accepted: 0 };
        let inner = Arc::new(Inner {
            shared: Mutex::new(shared),
            changed: Condvar::new(),
            server: socket.to_owned(),
        });
        let accepting = Arc::clone(&inner);
        std::thread::spawn(move || accepting.accept(&listener));
        Self { inner, port }
    }

    /// The server's address by this way.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// From here on it is like this.
    pub(crate) fn set(&self, way: Way) {
        let mut shared = self.inner.lock();
        shared.way = way;
        if way == Way::Cut {
            shared.break_all();
        }
        self.inner.changed.notify_all();
    }

    /// How many connections were asked for so far.
    pub(crate) fn accepted(&self) -> usize {
        self.inner.lock().accepted
    }
}

impl Drop for RedisProxy {
    fn drop(&mut self) {
        let mut shared = self.inner.lock();
        shared.ended = true;
        shared.break_all();
        self.inner.changed.notify_all();
        drop(shared);
        // Who waits for a connection sees that it is over.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

impl Shared {
    fn break_all(&mut self) {
        for client in self.clients.drain(..) {
            client.shutdown(Shutdown::Both).ok();
        }
        for server in self.servers.drain(..) {
            server.shutdown(Shutdown::Both).ok();
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            let Ok(client) = client else { continue };
            let mut shared = self.lock();
            if shared.ended {
                return;
            }
            shared.accepted += 1;
            if shared.way == Way::Cut {
                continue;
            }
            let Ok(server) = UnixStream::connect(&self.server) else { continue };
            let pairs = (client.try_clone(), client.try_clone(), server.try_clone(), server.try_clone());
            let (Ok(from_client), Ok(kept_client), Ok(from_server), Ok(kept_server)) = pairs else {
                continue;
            };
            shared.clients.push(kept_client);
            shared.servers.push(kept_server);
            drop(shared);
            let inner = Arc::clone(self);
            std::thread::spawn(move || {
                let (mut from, mut to) = (from_client, server);
                inner.pump(|bytes| from.read(bytes), |bytes| to.write_all(bytes));
                to.shutdown(Shutdown::Both).ok();
            });
            let inner = Arc::clone(self);
            std::thread::spawn(move || {
                let (mut from, mut to) = (from_server, client);
                inner.pump(|bytes| from.read(bytes), |bytes| to.write_all(bytes));
                to.shutdown(Shutdown::Both).ok();
            });
        }
    }

    /// Carries one direction of a connection until that ends.
    fn pump(
        &self,
        mut read: impl FnMut(&mut [u8]) -> std::io::Result<usize>,
        mut write: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let Ok(length @ 1..) = read(&mut bytes) else { return };
            let mut shared = self.lock();
            while shared.way == Way::Silent && !shared.ended {
                shared = self.changed.wait(shared).unwrap_or_else(std::sync::PoisonError::into_inner);
            }
            let way = shared.way;
            drop(shared);
            if let Way::Slow(delay) = way {
                std::thread::sleep(delay);
            }
            if write(&bytes[..length]).is_err() {
                return;
            }
        }
    }
}
