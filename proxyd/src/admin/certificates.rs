//! The commands about certificates, in HAProxy's words where it has them.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use proto::command::{Command, Refusal, Severity};

use super::reply::Reply;
use crate::config::source::FileSystem;
use crate::config::tls::certificate::Certificate;
use crate::config::tls::facts::{Facts, moment};
use crate::model::change::Cause;
use crate::model::shared::Shared;
use crate::tls::live::{Changes, Refused};

/// `show ssl cert`.
pub(super) fn show(shared: &Shared, file: Option<&str>) -> Reply {
    let certificates = shared.snapshot().tls_ends().certificates();
    let waiting = shared.certificates.waiting();
    let Some(file) = file else {
        let mut text = String::new();
        if let Some(waiting) = waiting {
            // Writing to a String cannot fail.
            let _infallible = writeln!(text, "# transaction\n*{}", waiting.path.display());
        }
        text.push_str("# filename\n");
        for path in certificates.keys() {
            let _infallible = writeln!(text, "{}", path.display());
        }
        return Reply::Text(text);
    };
    let found = match file.strip_prefix('*') {
        Some(file) => {
            waiting.filter(|waiting| waiting.path == Path::new(file)).map(|new| (new, "Uncommitted"))
        }
        None => certificates.get(Path::new(file)).map(|used| (Arc::clone(used), "Used")),
    };
    match found {
        Some((certificate, status)) => Reply::Text(details(file, &certificate, status)),
        None => {
            Refusal::error("Can't display the certificate: Not found or the certificate is a bundle!").into()
        }
    }
}

fn details(name: &str, certificate: &Certificate, status: &str) -> String {
    let facts = &certificate.facts;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{name}: {value}");
    };
    line("Filename", name);
    line("Crt filename", &certificate.path.display().to_string());
    line("Status", status);
    line("Serial", &facts.serial);
    line("notBefore", &moment(facts.not_before));
    line("notAfter", &moment(facts.not_after));
    line("Subject Alternative Name", &facts.alternative.join(", "));
    line("Algorithm", &facts.algorithm());
    line("SHA1 FingerPrint", &certificate.sha1());
    line("Subject", &facts.subject);
    line("Issuer", &facts.issuer);
    for above in certificate.key.cert.iter().skip(1).filter_map(|der| Facts::of(der).ok()) {
        line("Chain Subject", &above.subject);
        line("Chain Issuer", &above.issuer);
    }
    line("OCSP Response Key", "");
    text
}

/// Carries out a command that changes certificates. Files are read and keys are tried where nobody waits for it.
pub(super) async fn change(
    shared: &Arc<Shared>,
    command: Command,
    payload: Option<&str>,
    cause: Cause<'_>,
) -> Reply {
    let (work, pem) = (Arc::clone(shared), payload.map(str::to_owned));
    let done = tokio::task::spawn_blocking(move || carry_out(&work, &command, pem.as_deref())).await;
    match done {
        Ok(Ok((reply, changes))) => {
            if let Some(changes) = changes.filter(|changes| !changes.is_empty()) {
                shared.certificates_changed(&changes, cause);
            }
            reply
        }
        Ok(Err(refusal)) => refusal.into(),
        // It panicked, which was logged, or the process ends.
        Err(_) => Refusal::error("The command could not be carried out.").into(),
    }
}

fn carry_out(
    shared: &Shared,
    command: &Command,
    pem: Option<&str>,
) -> Result<(Reply, Option<Changes>), Refusal> {
    let (ends, transaction) = (shared.snapshot().tls_ends(), &shared.certificates);
    match command {
        Command::SetSslCert(file) => {
            let Some(pem) = pem else {
                return Err(Refusal::error(
                    "'set ssl cert' expects a filename and a certificate as a payload",
                ));
            };
            let updated = transaction
                .set(&ends, Path::new(file), pem.as_bytes())
                .map_err(|refused| told(&refused, file, "set", "update"))?;
            let word = if updated { "updated" } else { "created" };
            Ok((message(format!("Transaction {word} for certificate {file}!")), None))
        }
        Command::CommitSslCert(file) => {
            transaction
                .commit(&ends, Path::new(file))
                .map_err(|refused| told(&refused, file, "set", "commit"))?;
            let changes = Changes { changed: vec![file.into()], ..Changes::default() };
            Ok((message(format!("Committing {file}.\nSuccess!")), Some(changes)))
        }
        Command::AbortSslCert(file) => {
            transaction.abort(Path::new(file)).map_err(|refused| match refused {
                Refused::None => Refusal::error("No ongoing transaction!"),
                refused => told(&refused, file, "abort", "abort"),
            })?;
            Ok((message(format!("Transaction aborted for certificate '{file}'!")), None))
        }
        _ => match ends.reload(&FileSystem) {
            Ok(changes) => Ok((Reply::Text(listed(&changes)), Some(changes))),
            Err(problems) => {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                Err(Refusal::error(format!("Nothing was changed:\n{}", lines.join("\n"))))
            }
        },
    }
}

fn message(text: String) -> Reply {
    Reply::Message(Severity::Notice, text.into())
}

fn told(refused: &Refused, file: &str, doing: &str, do_: &str) -> Refusal {
    let why = match refused {
        Refused::None => "No ongoing transaction! !".to_owned(),
        Refused::Unknown => {
            "Can't replace a certificate which is not referenced by the configuration!".to_owned()
        }
        Refused::Other(other) => format!(
            "The ongoing transaction is about '{}' but you are trying to {doing} '{file}'",
            other.display()
        ),
        Refused::Bad(problem) => problem.to_string(),
        Refused::Impossible(error) => error.to_string(),
    };
    match refused {
        Refused::Other(_) if doing == "abort" => Refusal::error(why),
        _ => Refusal::error(format!("{why}\nCan't {do_} {file}!")),
    }
}

fn listed(changes: &Changes) -> String {
    let Changes { changed, added, removed, same } = changes;
    let mut text = format!(
        "Reloaded: {} changed, {} added, {} removed, {same} unchanged.\n",
        changed.len(),
        added.len(),
        removed.len()
    );
    for (word, paths) in [("changed", changed), ("added", added), ("removed", removed)] {
        for path in paths {
            // Writing to a String cannot fail.
            let _infallible = writeln!(text, "{word} {}", path.display());
        }
    }
    text
}
