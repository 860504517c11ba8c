//! Why there is no TLS connection: in words for the log, and a word for a counter.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use crate::stats::counted::counted;

counted! {
    /// Why a handshake failed.
    #[derive(thiserror::Error)]
    #[error("{}", self.text())]
    Failure {
        /// It never said a word.
        Silent: "silent", "the peer has gone";
        Closed: "closed", "the peer closes the connection";
        Reset: "reset", "the connection is broken";
        Timeout: "timeout", "it did not end in time";
        NotTls: "not_tls", "the peer does not speak TLS";
        Version: "version", "no version in common";
        Parameters: "parameters", "no cipher suite, group or signature in common";
        Alpn: "alpn", "no application protocol in common";
        Name: "name", "no certificate for this name";
        NoCertificate: "no_certificate", "the peer shows no certificate";
        Expired: "expired", "the peer's certificate has expired";
        NotYet: "not_yet_valid", "the peer's certificate is not valid yet";
        UnknownCa: "unknown_ca", "the peer's certificate is of an unknown CA";
        WrongName: "wrong_name", "the peer's certificate has another name";
        Revoked: "revoked", "the peer's certificate is revoked";
        Purpose: "purpose", "the peer's certificate is for another purpose";
        Unlisted: "unlisted", "no revocation list tells of the peer's certificate";
        OldList: "crl_expired", "the revocation list of the peer's certificate has expired";
        Signature: "bad_signature", "the signature of the peer's certificate is wrong or of an unknown kind";
        Unreadable: "unreadable", "the peer's certificate cannot be read";
        Certificate: "certificate", "the peer's certificate is not acceptable";
        /// The peer found something wrong.
        Alert: "alert", "the peer refuses";
        Malformed: "malformed", "what the peer sends makes no sense";
        Ours: "internal", "a fault of our own";
    }
}

impl Failure {
    pub fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::InvalidCertRevocationList(_) => Self::Certificate,
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::NoApplicationProtocol => Self::Alpn,
            Error::AlertReceived(_) => Self::Alert,
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            Error::PeerIncompatible(error) => match error {
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::Tls13RequiredForQuic => Self::Version,
                _ => Self::Parameters,
            },
            // The only one of its kind that a server's end makes.
            Error::General(text) if text.starts_with("no server certificate chain") => Self::Name,
            Error::FailedToGetRandomBytes | Error::FailedToGetCurrentTime => Self::Ours,
            _ => Self::Malformed,
        }
    }

    /// Another handshake with the same peer would end as this one did, with that error.
    pub fn lasts(self, error: Option<&Error>) -> bool {
        match (self, error) {
            (Self::Alert, Some(Error::AlertReceived(alert))) => matches!(
                alert,
                AlertDescription::HandshakeFailure
                    | AlertDescription::ProtocolVersion
                    | AlertDescription::InsufficientSecurity
                    | AlertDescription::NoApplicationProtocol
                    | AlertDescription::UnrecognisedName
                    | AlertDescription::CertificateRequired
                    | AlertDescription::BadCertificate
                    | AlertDescription::UnsupportedCertificate
                    | AlertDescription::CertificateRevoked
                    | AlertDescription::CertificateExpired
                    | AlertDescription::CertificateUnknown
                    | AlertDescription::UnknownCA
                    | AlertDescription::AccessDenied
            ),
            (
                Self::Silent
                | Self::Closed
                | Self::Reset
                | Self::Timeout
                | Self::Alert
                | Self::Malformed
                | Self::Ours,
                _,
            ) => false,
            (
                Self::NotTls
                | Self::Version
                | Self::Parameters
                | Self::Alpn
                | Self::Name
                | Self::NoCertificate
                | Self::Expired
                | Self::NotYet
                | Self::UnknownCa
                | Self::WrongName
                | Self::Revoked
                | Self::Purpose
                | Self::Unlisted
                | Self::OldList
                | Self::Signature
                | Self::Unreadable
                | Self::Certificate,
                _,
            ) => true,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYet,
            CertificateError::UnknownIssuer => Self::UnknownCa,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            CertificateError::Revoked => Self::Revoked,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::Purpose
            }
            CertificateError::UnknownRevocationStatus => Self::Unlisted,
            CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => Self::OldList,
            CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => Self::Signature,
            CertificateError::BadEncoding => Self::Unreadable,
            _ => Self::Certificate,
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "it goes where errors are mapped")]
    pub(super) fn of_io(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::Timeout,
            _ => Self::Reset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_is_lasts_and_what_happened_to_it_does_not() {
        let lasts = |error: Error| Failure::of(&error).lasts(Some(&error));
        assert!(lasts(Error::InvalidCertificate(CertificateError::UnknownIssuer)));
        assert!(lasts(Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13)));
        assert!(lasts(Error::AlertReceived(AlertDescription::ProtocolVersion)));
        assert!(!lasts(Error::AlertReceived(AlertDescription::InternalError)));
        assert!(!lasts(Error::InvalidMessage(InvalidMessage::InvalidCcs)));
        assert!(Failure::Alpn.lasts(None) && !Failure::Closed.lasts(None));
    }

    #[test]
    fn what_is_wrong_with_a_certificate_has_a_word() {
        for (error, word) in [
            (CertificateError::UnknownIssuer, "unknown_ca"),
            (CertificateError::NotValidForName, "wrong_name"),
            (CertificateError::Expired, "expired"),
            (CertificateError::NotValidYet, "not_yet_valid"),
            (CertificateError::Revoked, "revoked"),
            (CertificateError::InvalidPurpose, "purpose"),
            (CertificateError::UnknownRevocationStatus, "unlisted"),
            (CertificateError::ExpiredRevocationList, "crl_expired"),
            (CertificateError::BadSignature, "bad_signature"),
            (CertificateError::BadEncoding, "unreadable"),
            (CertificateError::UnhandledCriticalExtension, "certificate"),
        ] {
            let error = Error::InvalidCertificate(error);
            let failure = Failure::of(&error);
            assert_eq!(failure.label(), word);
            assert!(failure.lasts(Some(&error)), "{word}");
        }
    }
}
