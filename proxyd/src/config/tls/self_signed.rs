//! Certificates that are their own authority: what `openssl req -x509` makes, given as `ca` to who is shown it.
//!
//! webpki takes no authority's certificate for that of a peer. One that signed itself and is byte for byte among the
//! configured ones is trusted already, and its key may sign any name: it is a peer's if it has its dates and purpose, and
//! a server's if it has its name.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Verifies servers.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    pub(super) webpki: Arc<WebPkiServerVerifier>,
    pub(super) authorities: Vec<CertificateDer<'static>>,
}

/// Verifies clients.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    pub(super) webpki: Arc<dyn ClientCertVerifier>,
    pub(super) authorities: Vec<CertificateDer<'static>>,
    /// Where certificates can be revoked, one that no list tells of is refused.
    pub(super) has_lists: bool,
}

/// Whose certificate it would be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Peer {
    Server,
    Client,
}

/// Judges a certificate that webpki refused for `error`: whether it is its own authority, among these. The error is
/// the one that tells what is wrong.
fn judge(
    shown: &CertificateDer<'_>,
    authorities: &[CertificateDer<'static>],
    peer: Peer,
    now: UnixTime,
    error: Error,
) -> Result<(), Error> {
    // What has a word of its own is refused for something else.
    if !matches!(error, Error::InvalidCertificate(CertificateError::Other(_))) {
        return Err(error);
    }
    let Ok((_, certificate)) = X509Certificate::from_der(shown) else { return Err(error) };
    if !certificate.is_ca() {
        return Err(error);
    }
    let refused = if certificate.subject() != certificate.issuer() {
        Some(CertificateError::InvalidPurpose)
    } else if !authorities.iter().any(|authority| authority == shown) {
        Some(CertificateError::UnknownIssuer)
    } else {
        wrong(&certificate, peer, now)
    };
    refused.map_or(Ok(()), |refused| Err(refused.into()))
}

/// What is wrong with a certificate but for who signed it and its name.
fn wrong(certificate: &X509Certificate<'_>, peer: Peer, now: UnixTime) -> Option<CertificateError> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if now < validity.not_before.timestamp() {
        return Some(CertificateError::NotValidYet);
    }
    if now > validity.not_after.timestamp() {
        return Some(CertificateError::Expired);
    }
    let (Ok(purposes), Ok(usage)) = (certificate.extended_key_usage(), certificate.key_usage()) else {
        return Some(CertificateError::BadEncoding);
    };
    let is_for_peer = purposes.is_none_or(|purposes| match peer {
        Peer::Server => purposes.value.server_auth,
        Peer::Client => purposes.value.client_auth,
    });
    let may_sign = usage.is_none_or(|usage| usage.value.digital_signature());
    (!is_for_peer || !may_sign).then_some(CertificateError::InvalidPurpose)
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let Err(error) = verified else { return verified };
        judge(end_entity, &self.authorities, Peer::Server, now, error)?;
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        self.webpki.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.webpki.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.webpki.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.webpki.verify_client_cert(end_entity, intermediates, now);
        let Err(error) = verified else { return verified };
        judge(end_entity, &self.authorities, Peer::Client, now, error)?;
        if self.has_lists {
            return Err(CertificateError::UnknownRevocationStatus.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, Certificate, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
        KeyUsagePurpose, date_time_ymd,
    };

    use super::super::Ca;
    use super::super::authorities::{ClientAuthorities, ServerAuthorities};
    use super::*;
    use crate::config::source::Memory;

    /// What `openssl req -x509` makes, of 2020 to 2030, but for what is done to it.
    fn params(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
        let mut params = CertificateParams::new(["good.example".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2030, 1, 1));
        change(&mut params);
        params
    }

    fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        params(change).self_signed(&KeyPair::generate().unwrap()).unwrap()
    }

    /// 1 January of that year.
    fn year(year: i32) -> UnixTime {
        let seconds = date_time_ymd(year, 1, 1).unix_timestamp();
        UnixTime::since_unix_epoch(Duration::from_secs(seconds.try_into().unwrap()))
    }

    fn server(ca: &str, shown: &Certificate, name: &str, now: UnixTime) -> Result<(), CertificateError> {
        let source = Memory::default().with("ca.pem", ca);
        let authorities = ServerAuthorities::read(&source, &Ca::File("ca.pem".into())).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verdict(authorities.verifier.verify_server_cert(shown.der(), &[], &name, &[], now))
    }

    fn client(ca: &str, shown: &Certificate, now: UnixTime) -> Result<(), CertificateError> {
        let source = Memory::default().with("ca.pem", ca);
        let authorities = ClientAuthorities::read(&source, Path::new("ca.pem"), None, true).unwrap();
        verdict(authorities.verifier.verify_client_cert(shown.der(), &[], now))
    }

    fn verdict<T>(result: Result<T, Error>) -> Result<(), CertificateError> {
        match result {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(error)) => Err(error),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_certificate_that_signed_itself_is_believed_where_it_is_configured() {
        let (own, other) = (self_signed(|_| {}), self_signed(|_| {}));
        let both = other.pem() + &own.pem();
        for ca in [&own.pem(), &both] {
            assert_eq!(server(ca, &own, "good.example", year(2026)), Ok(()));
            assert_eq!(client(ca, &own, year(2026)), Ok(()));
        }
        let wrong_name = server(&own.pem(), &own, "evil.example", year(2026));
        assert!(matches!(wrong_name, Err(CertificateError::NotValidForNameContext { .. })), "{wrong_name:?}");
        // Of the same name, even.
        assert_eq!(
            server(&other.pem(), &own, "good.example", year(2026)),
            Err(CertificateError::UnknownIssuer)
        );
        assert_eq!(client(&other.pem(), &own, year(2026)), Err(CertificateError::UnknownIssuer));
        for (now, is_expired) in [(year(2031), true), (year(2019), false)] {
            for refused in [server(&own.pem(), &own, "good.example", now), client(&own.pem(), &own, now)] {
                match refused {
                    Err(CertificateError::ExpiredContext { .. }) if is_expired => {}
                    Err(CertificateError::NotValidYetContext { .. }) if !is_expired => {}
                    refused => panic!("{refused:?}"),
                }
            }
        }
    }

    #[test]
    fn the_purpose_of_it_counts() {
        let only = |purpose| self_signed(|params| params.extended_key_usages = vec![purpose]);
        let of_server = only(ExtendedKeyUsagePurpose::ServerAuth);
        let of_client = only(ExtendedKeyUsagePurpose::ClientAuth);
        let signs_only = self_signed(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
        let (good, bad) = (Ok(()), Err(CertificateError::InvalidPurpose));
        for (shown, as_server, as_client) in
            [(&of_server, &good, &bad), (&of_client, &bad, &good), (&signs_only, &bad, &bad)]
        {
            let pem = shown.pem();
            assert_eq!(&server(&pem, shown, "good.example", year(2026)), as_server);
            assert_eq!(&client(&pem, shown, year(2026)), as_client);
        }
    }

    #[test]
    fn what_another_signed_is_no_authority_of_its_own() {
        let key = KeyPair::generate().unwrap();
        let root = params(|params| params.distinguished_name.push(rcgen::DnType::CommonName, "root"));
        let issuer = Issuer::from_params(&root, &key);
        let middle = params(|_| {}).signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        let refused = server(&middle.pem(), &middle, "good.example", year(2026));
        assert_eq!(refused, Err(CertificateError::InvalidPurpose));
    }
}
