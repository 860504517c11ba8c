//! Client hellos to the byte, and ways to cut them.

/// A hello that can be made wrong; it opens no connection that gets further.
#[derive(Clone, Debug)]
pub struct Hello {
    /// Bodies of `server_name` extensions.
    pub names: Vec<Vec<u8>>,
    /// Bytes of an extension that only takes room.
    pub padding: usize,
}

impl Hello {
    /// Names this host, whatever bytes it is of.
    pub fn of(host: impl AsRef<[u8]>) -> Self {
        Self { names: vec![name_list(&[host.as_ref()])], padding: 0 }
    }

    /// Names nobody.
    pub fn nameless() -> Self {
        Self { names: Vec::new(), padding: 0 }
    }

    /// The handshake message.
    pub fn message(&self) -> Vec<u8> {
        let mut extensions = Vec::new();
        for name in &self.names {
            extension(&mut extensions, 0, name);
        }
        // supported_groups, signature_algorithms, supported_versions.
        extension(&mut extensions, 10, &[0, 4, 0, 29, 0, 23]);
        extension(&mut extensions, 13, &[0, 4, 4, 3, 8, 4]);
        extension(&mut extensions, 43, &[4, 3, 4, 3, 3]);
        if self.padding > 0 {
            extension(&mut extensions, 21, &vec![0; self.padding]);
        }
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.push(0);
        body.extend([0, 4, 0x13, 0x01, 0xc0, 0x2f]);
        body.extend([1, 0]);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        let mut message = vec![1];
        message.extend(&(body.len() as u32).to_be_bytes()[1..]);
        message.extend(body);
        message
    }

    /// The message in as few records as hold it.
    pub fn records(&self) -> Vec<u8> {
        records(&self.message(), 1 << 14)
    }
}

/// The body of a `server_name` extension with these host names.
pub fn name_list(hosts: &[&[u8]]) -> Vec<u8> {
    let mut list = Vec::new();
    for host in hosts {
        list.push(0);
        list.extend((host.len() as u16).to_be_bytes());
        list.extend(*host);
    }
    let mut body = (list.len() as u16).to_be_bytes().to_vec();
    body.extend(list);
    body
}

fn extension(to: &mut Vec<u8>, kind: u16, body: &[u8]) {
    to.extend(kind.to_be_bytes());
    to.extend((body.len() as u16).to_be_bytes());
    to.extend(body);
}

/// A handshake message in records of at most so many bytes.
pub fn records(message: &[u8], most: usize) -> Vec<u8> {
    message.chunks(most).flat_map(|part| record(22, part)).collect()
}

/// One record in clear text.
pub fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut record = vec![kind, 3, 1];
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}

/// Every byte of a flight alone.
pub fn byte_by_byte(flight: &[u8]) -> Vec<Vec<u8>> {
    flight.iter().map(|&byte| vec![byte]).collect()
}

/// The messages of a flight in records of one byte.
pub fn one_byte_records(flight: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = flight;
    while let [kind, major, minor, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (body, next) = after.split_at(length);
        if *kind == 22 {
            out.extend(body.iter().flat_map(|byte| [*kind, *major, *minor, 0, 1, *byte]));
        } else {
            out.extend(&rest[..5 + length]);
        }
        rest = next;
    }
    vec![out]
}
