//! One connection to a server: how it is made, and how calls go over it.
//!
//! Logging in and choosing the database are done here, call by call, because the answers have to be
//! told apart. Everything waits at most as long as it was told to.

use std::time::Duration;

use redis::{Client, Cmd, ConnectionAddr, IntoConnectionInfo as _, RedisError, TlsCertificates, Value};

use super::address::{Address, Place};
use super::scripts::{Call, Script};
use super::trouble::Trouble;

/// How long an answer may take once the connection stands.
const ANSWER: Duration = Duration::from_secs(5);

/// A connection that is logged in and in its database.
pub(super) struct Connection {
    inner: redis::Connection,
    /// What the server calls our scripts, by their number; empty: it keeps none.
    names: Vec<String>,
}

impl Connection {
    /// Connects, within `at_most` for each step of it.
    pub(super) fn open(address: &Address, at_most: Duration) -> Result<Self, Trouble> {
        let inner = client(address)?.get_connection_with_timeout(at_most)?;
        inner.set_read_timeout(Some(at_most))?;
        inner.set_write_timeout(Some(at_most))?;
        let mut connection = Self { inner, names: Vec::new() };
        connection.log_in(address)?;
        connection.load_scripts()?;
        connection.inner.set_read_timeout(Some(ANSWER))?;
        connection.inner.set_write_timeout(Some(ANSWER))?;
        Ok(connection)
    }

    fn log_in(&mut self, address: &Address) -> Result<(), Trouble> {
        if let Some(password) = &address.password {
            let mut auth = redis::cmd("AUTH");
            if let Some(user) = &address.user {
                auth.arg(user);
            }
            self.command(auth.arg(password)).map_err(|trouble| without(password, trouble))?;
        }
        // A server at its limit says so to the first command, whatever it is.
        self.command(&redis::cmd("PING"))?;
        if address.database > 0 {
            let chosen = self.command(redis::cmd("SELECT").arg(address.database));
            chosen.map_err(|trouble| {
                let beyond = matches!(&trouble, Trouble::Other(told) if told.contains("out of range"));
                if beyond { Trouble::NoDatabase(address.database) } else { trouble }
            })?;
        }
        Ok(())
    }

    /// Gives the server the scripts. One that does not let us is given them with every call.
    fn load_scripts(&mut self) -> Result<(), Trouble> {
        let commands: Vec<Cmd> = Script::ALL
            .into_iter()
            .map(|script| {
                let mut command = redis::cmd("SCRIPT");
                command.arg("LOAD").arg(script.text());
                command
            })
            .collect();
        let mut names = Vec::with_capacity(commands.len());
        for answer in self.pipeline(&commands)? {
            match answer {
                Ok(value) => names.extend(super::scripts::text_of(&value)),
                Err(Trouble::NotAllowed(_)) => {}
                Err(other) => return Err(other),
            }
        }
        self.names = if names.len() == Script::ALL.len() { names } else { Vec::new() };
        Ok(())
    }

    /// Runs scripts one after another in one round trip. Each has an answer of its own; an error of
    /// the whole is one of the connection.
    pub(super) fn run(&mut self, calls: &[Call]) -> Result<Vec<Result<Value, Trouble>>, Trouble> {
        let commands: Vec<Cmd> = calls.iter().map(|call| self.command_of(call)).collect();
        let mut answers = self.pipeline(&commands)?;
        let forgotten = |answer: &Result<Value, Trouble>| matches!(answer, Err(Trouble::Other(told)) if told.contains("NOSCRIPT") || told.contains("NoScript"));
        let Some(first) = answers.iter().position(forgotten) else { return Ok(answers) };
        // Somebody emptied the server's store of scripts: what follows the first has not run in order.
        self.load_scripts()?;
        let commands: Vec<Cmd> = calls[first..].iter().map(|call| self.command_of(call)).collect();
        answers.truncate(first);
        answers.extend(self.pipeline(&commands)?);
        Ok(answers)
    }

    fn command_of(&self, call: &Call) -> Cmd {
        let mut command = if let Some(name) = self.names.get(call.script as usize) {
            let mut command = redis::cmd("EVALSHA");
            command.arg(name);
            command
        } else {
            let mut command = redis::cmd("EVAL");
            command.arg(call.script.text());
            command
        };
        command.arg(call.keys.len()).arg(&call.keys).arg(&call.arguments);
        command
    }

    /// Sends one command and waits for its answer.
    pub(super) fn command(&mut self, command: &Cmd) -> Result<Value, Trouble> {
        let Err(unsent) = self.inner.send_packed_command(&command.get_packed_command()) else {
            return self.answer()?;
        };
        // A server that turns a client away says why and closes: its word may lie there unread.
        match self.answer() {
            Ok(Err(told)) => Err(told),
            Ok(Ok(_)) | Err(_) => Err(unsent.into()),
        }
    }

    /// Sends commands at once and waits for their answers.
    pub(super) fn pipeline(&mut self, commands: &[Cmd]) -> Result<Vec<Result<Value, Trouble>>, Trouble> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let mut packed = Vec::new();
        for command in commands {
            packed.extend(command.get_packed_command());
        }
        self.inner.send_packed_command(&packed)?;
        // After a broken connection none of the others comes.
        commands.iter().map(|_| self.answer()).collect()
    }

    fn answer(&mut self) -> Result<Result<Value, Trouble>, Trouble> {
        match self.inner.recv_response() {
            Ok(Value::ServerError(error)) => Ok(Err(RedisError::from(error).into())),
            Ok(value) => Ok(Ok(value)),
            Err(error) if error.code().is_some() => Ok(Err(error.into())),
            Err(error) => Err(error.into()),
        }
    }
}

/// A server that does not know `AUTH` repeats what it was sent.
fn without(password: &str, trouble: Trouble) -> Trouble {
    if let Trouble::Other(told) = trouble {
        Trouble::Other(told.replace(password, crate::masking::MASK))
    } else {
        trouble
    }
}

fn client(address: &Address) -> Result<Client, Trouble> {
    let place = match &address.place {
        Place::Tcp { host, port } => ConnectionAddr::Tcp(host.clone(), *port),
        Place::Unix { path } => ConnectionAddr::Unix(path.clone()),
        Place::Tls { host, port, authorities } => {
            // The TLS of the whole process; one that was chosen before stays.
            drop(rustls::crypto::ring::default_provider().install_default());
            let place =
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None };
            let Some(file) = authorities else { return open(place) };
            let certificates = std::fs::read(file)
                .map_err(|error| Trouble::Tls(format!("`{}`: {error}", file.display())))?;
            let certificates = TlsCertificates { client_tls: None, root_cert: Some(certificates) };
            let information = without_greeting(place)?;
            return Client::build_with_tls(information, certificates)
                .map_err(|error| Trouble::Tls(error.to_string()));
        }
    };
    open(place)
}

fn open(place: ConnectionAddr) -> Result<Client, Trouble> {
    Ok(Client::open(without_greeting(place)?)?)
}

/// The connection as it is, without a word about the library: a restricted user may not say it.
fn without_greeting(place: ConnectionAddr) -> Result<redis::ConnectionInfo, Trouble> {
    let settings = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
    Ok(place.into_connection_info()?.set_redis_settings(settings))
}
