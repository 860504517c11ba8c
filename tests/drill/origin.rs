//! A server for the drill, which misbehaves when told to: `drill-origin ADDRESS`.
//!
//! Each line on its standard input is an order, answered with the same line once it holds: `well`, `slow` (answers take two
//! seconds), `fail` (answers are 500), `refuse` (the port is closed, and each connection after its answer), `mute`
//! (nothing is accepted or answered any more, and the kernel takes no connection either). A thread a connection.

use std::io::{self, BufRead, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

const WELL: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";
const FAILED: &[u8] =
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nfailed";

/// How long a slow answer takes.
const SLOW: Duration = Duration::from_secs(2);

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// What it does with requests.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Mood {
    #[default]
    Well,
    Slow,
    Fail,
    Refuse,
    Mute,
}

/// The mood of now; told when it changes.
#[derive(Debug, Default)]
struct Shared {
    mood: Mutex<Mood>,
    changed: Condvar,
}

impl Shared {
    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
        self.changed.notify_all();
    }

    /// Takes its time.
    fn wait_while_slow(&self) {
        let mood = self.mood.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout_while(mood, SLOW, |mood| *mood == Mood::Slow));
    }

    /// Waits for as long as it says nothing.
    fn wait_while_mute(&self) {
        let mood = self.mood.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_while(mood, |mood| *mood == Mood::Mute));
    }
}

fn main() -> ExitCode {
    let Some(address) = std::env::args().nth(1).and_then(|word| word.parse().ok()) else {
        let _nobody_reads = writeln!(io::stderr(), "drill-origin ADDRESS");
        return ExitCode::FAILURE;
    };
    match run(address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _nobody_reads = writeln!(io::stderr(), "drill-origin: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until standard input ends.
fn run(address: SocketAddr) -> io::Result<()> {
    let shared = Arc::new(Shared::default());
    let mut listener = Some(listen(address, &shared)?);
    let mut stuffing = Vec::new();
    say(&format!("{address}"))?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mood = match line.as_str() {
            "well" => Mood::Well,
            "slow" => Mood::Slow,
            "fail" => Mood::Fail,
            "refuse" => Mood::Refuse,
            "mute" => Mood::Mute,
            other => return Err(io::Error::other(format!("no such order: {other}"))),
        };
        shared.set(mood);
        stuffing.clear();
        match (mood, &listener) {
            (Mood::Refuse, Some(open)) => {
                // The thread that accepts is woken and lets go of the port.
                SockRef::from(open).shutdown(std::net::Shutdown::Both)?;
                listener = None;
            }
            (Mood::Mute, Some(open)) => stuffing = stuff(open, address)?,
            (Mood::Well | Mood::Slow | Mood::Fail, None) => listener = Some(listen(address, &shared)?),
            (_, Some(open)) => SockRef::from(open).listen(BACKLOG)?,
            (_, None) => {}
        }
        say(&line)?;
    }
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Begins to listen and to accept; what it returns shares the socket.
fn listen(address: SocketAddr, shared: &Arc<Shared>) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // The drill holds the address meanwhile, so that nobody else gets it.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from(socket);
    let (accepting, shared) = (listener.try_clone()?, Arc::clone(shared));
    std::thread::spawn(move || accept(&accepting, &shared));
    Ok(listener)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        match shared.mood() {
            Mood::Refuse => return,
            // This one is the last that got in.
            Mood::Mute => shared.wait_while_mute(),
            Mood::Well | Mood::Slow | Mood::Fail => {
                let shared = Arc::clone(shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        }
    }
}

/// Makes the kernel take no more connections: room for one, and that is taken.
fn stuff(listener: &TcpListener, address: SocketAddr) -> io::Result<Vec<Socket>> {
    SockRef::from(listener).listen(0)?;
    let one = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        drop(socket.connect(&address.into()));
        Ok(socket)
    };
    (0..8).map(|_| one()).collect()
}

/// Answers one connection's requests, which have no body.
fn serve(mut stream: TcpStream, shared: &Shared) {
    drop(stream.set_nodelay(true));
    let mut room = [0; 4096];
    let mut filled = 0;
    loop {
        let read = match stream.read(&mut room[filled..]) {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        filled += read;
        if !room[..filled].ends_with(b"\r\n\r\n") {
            if filled == room.len() {
                return;
            }
            continue;
        }
        filled = 0;
        let answer = match shared.mood() {
            Mood::Well | Mood::Refuse => WELL,
            Mood::Fail => FAILED,
            Mood::Slow => {
                shared.wait_while_slow();
                WELL
            }
            Mood::Mute => {
                shared.wait_while_mute();
                return;
            }
        };
        if stream.write_all(answer).is_err() || shared.mood() == Mood::Refuse {
            return;
        }
    }
}
