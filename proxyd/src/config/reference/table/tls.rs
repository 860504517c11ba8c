//! TLS, on both sides.

use super::super::{Field, Preset, Section};

const MIN_VERSION: Field = Field {
    name: "min_version",
    shape: "`tls12` or `tls13`",
    preset: Preset::Unset("`tls12`"),
    meaning: "The lowest version that is spoken.",
};
const MAX_VERSION: Field = Field {
    name: "max_version",
    shape: "`tls12` or `tls13`",
    preset: Preset::Unset("`tls13`"),
    meaning: "The highest.",
};
const SUITES: Field = Field {
    name: "suites",
    shape: "list of words",
    preset: Preset::Unset("all of these, in this order"),
    meaning: "Cipher suites in the order of preference: `TLS_AES_256_GCM_SHA384`, `TLS_AES_128_GCM_SHA256`, `TLS_CHACHA20_POLY1305_SHA256` (TLS 1.3); `TLS_ECDHE_ECDSA_WITH_..` and `TLS_ECDHE_RSA_WITH_..` `AES_256_GCM_SHA384`, `AES_128_GCM_SHA256`, `CHACHA20_POLY1305_SHA256` (TLS 1.2).",
};
const GROUPS: Field = Field {
    name: "groups",
    shape: "list of `x25519_mlkem768`, `x25519`, `secp256r1`, `secp384r1`, `secp256r1_mlkem768`",
    preset: Preset::Unset("the first four"),
    meaning: "Key exchange groups in the order of preference.",
};

/// `tls` of a bind.
pub const BIND_TLS: Section = Section {
    what: "`tls` of a bind",
    title: "bind: tls",
    about: "TLS of clients.",
    fields: &[
        Field {
            name: "certificates",
            shape: "list of strings",
            preset: Preset::Required,
            meaning: "PEM files with a certificate and its chain, and folders of them, read in name order. The key stands in the same file or beside it (`site.pem.key` or `site.key`), a staple of OCSP beside it (`site.pem.ocsp` or `site.ocsp`, DER). A client gets the certificate that has the name it asks for, ECDSA before RSA where it takes both, and the first of all where none has or it asks for none. Names are the certificate's alternative names, or its common name if it has none; `*.example.com` stands for one label.",
        },
        Field {
            name: "alpn",
            shape: "list of `h2`, `http1`; strings in mode tcp",
            preset: Preset::Unset("`[h2, http1]`; none in mode tcp"),
            meaning: "Protocols that are offered, in the order of preference. A client that speaks none of them is refused.",
        },
        MIN_VERSION,
        MAX_VERSION,
        SUITES,
        GROUPS,
        Field {
            name: "strict_sni",
            shape: "`true` or `false`",
            preset: Preset::Unset("`false`"),
            meaning: "A client that names no host, or one that no certificate has, is refused.",
        },
        Field {
            name: "client_certs",
            shape: "section",
            preset: Preset::Unset("not asked for"),
            meaning: "Clients show a certificate.",
        },
        Field {
            name: "tickets",
            shape: "`own`, `off` or `(keys: \"..\")`",
            preset: Preset::Unset("`own`"),
            meaning: "What seals the tickets that clients resume sessions with: keys made at random, another every six hours; or those of a file that many machines share, a line of base64 for each with 48 or 80 bytes (`openssl rand -base64 80 | tr -d '\\n'`). The last but one seals, all open; `reload ssl certs` reads the file again. A ticket is good only where the same is asked of clients.",
        },
    ],
    later: &[],
};

/// `client_certs`.
pub const CLIENT_CERTS: Section = Section {
    what: "`client_certs`",
    title: "bind: tls: client_certs",
    about: "What a bind asks of clients.",
    fields: &[
        Field {
            name: "ca",
            shape: "string",
            preset: Preset::Required,
            meaning: "A PEM file with the authorities that sign clients' certificates; one that signed itself may be shown as well.",
        },
        Field {
            name: "verify",
            shape: "`required` or `optional`",
            preset: Preset::Unset("`required`"),
            meaning: "Whether a client without a certificate is refused. One with a bad certificate always is.",
        },
        Field {
            name: "crl",
            shape: "string",
            preset: Preset::Unset("none"),
            meaning: "A PEM file with revocation lists, one for each authority; one that has expired refuses everybody.",
        },
    ],
    later: &[],
};

/// `tickets`.
pub const TICKETS: Section = Section {
    what: "`tickets`",
    title: "bind: tls: tickets",
    about: "Keys that many machines share.",
    fields: &[Field {
        name: "keys",
        shape: "string",
        preset: Preset::Required,
        meaning: "The file. Whoever has it can read what was said, so it is replaced often and readable by proxyd alone.",
    }],
    later: &[],
};

pub(super) const SERVER_TLS_FIELD: Field = Field {
    name: "tls",
    shape: "`true`, `false` or section",
    preset: Preset::Unset("`false`"),
    meaning: "Connections are encrypted. `true` is `()`.",
};

/// `tls` of a server.
pub const SERVER_TLS: Section = Section {
    what: "`tls` of a server",
    title: "servers: tls",
    about: "TLS to servers. What is left out is as `server_defaults` say.",
    fields: &[
        Field {
            name: "ca",
            shape: "`system` or string",
            preset: Preset::Unset("`system`"),
            meaning: "Who has to have signed the server's certificate: the authorities of this machine, or those in a PEM file. A certificate that signed itself is its own authority there.",
        },
        Field {
            name: "sni",
            shape: "string",
            preset: Preset::Unset("the host of `address`"),
            meaning: "The name that the server is asked for, and that its certificate has to have. An IP address is not sent, but has to be in the certificate.",
        },
        Field {
            name: "verify",
            shape: "`required` or `none`",
            preset: Preset::Unset("`required`"),
            meaning: "`none` takes any certificate, and so anybody for the server.",
        },
        Field {
            name: "client_cert",
            shape: "string",
            preset: Preset::Unset("none"),
            meaning: "A PEM file with the certificate that is shown to the server, and its key there or beside it.",
        },
        MIN_VERSION,
        MAX_VERSION,
        SUITES,
        GROUPS,
    ],
    later: &["alpn"],
};
