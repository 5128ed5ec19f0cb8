//! Client certificates in every form, shown to a server that checks them.

use qix_transport::{
    Auth, ClientIdentity, Dialer, Endpoint, Limits, QlikUser, Secret, Stage, TlsSettings, WsConnect,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    site::{Site, acceptor},
    support::{server, within},
};

const ROOT: &[u8] = include_bytes!("../certificates/v1_root.pem");
const CLIENT: &[u8] = include_bytes!("../certificates/client.pem");
const SERVER: &str = include_str!("../certificates/v3_by_v1_root.pem");
const SERVER_KEY: &str = include_str!("../certificates/server_key.pem");

/// Shows `identity` to a server of the site that issued it, and trusts nothing but what came with it.
async fn check_accepted(identity: ClientIdentity) {
    let root = CertificateDer::from_pem_slice(ROOT).unwrap();
    let acceptor = acceptor(SERVER, SERVER_KEY, &root);
    let (port, task) = server(move |stream| async move {
        let mut stream = acceptor.accept(stream).await.unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap().to_vec();
        stream.write_all(b"!").await.unwrap();
        shown
    })
    .await;
    let tls = TlsSettings::default().given_roots_only().identity(identity);
    let endpoint = Endpoint::parse(&format!("wss://localhost:{port}")).unwrap();
    let dialer = Dialer::new(&tls, &Limits::default()).unwrap();
    let mut stream = within(dialer.dial(&endpoint)).await.unwrap();
    assert_eq!(within(stream.read_u8()).await.unwrap(), b'!');
    assert_eq!(within(task).await.unwrap(), [CertificateDer::from_pem_slice(CLIENT).unwrap()]);
}

fn pem(key: &[u8]) -> ClientIdentity {
    let password = Secret::from("qlik");
    ClientIdentity::from_pem_with_password(CLIENT, key, &password).unwrap().with_root_pem(ROOT).unwrap()
}

#[tokio::test]
async fn plain_pkcs1_and_pkcs8_keys_pass_mutual_tls() {
    check_accepted(pem(include_bytes!("../certificates/client_pkcs1.pem"))).await;
    check_accepted(pem(include_bytes!("../certificates/client_pkcs8.pem"))).await;
}

#[tokio::test]
async fn encrypted_keys_pass_mutual_tls() {
    check_accepted(pem(include_bytes!("../certificates/client_pbes2_aes.pem"))).await;
    check_accepted(pem(include_bytes!("../certificates/client_pbes2_3des.pem"))).await;
    check_accepted(pem(include_bytes!("../certificates/client_dek_aes256.pem"))).await;
}

#[tokio::test]
async fn pfx_passes_mutual_tls_with_the_root_in_it() {
    let password = Secret::from("qlik");
    for pfx in [
        include_bytes!("../certificates/client_aes.pfx").as_slice(),
        include_bytes!("../certificates/client_3des.pfx"),
    ] {
        check_accepted(ClientIdentity::from_pfx(pfx, &password).unwrap()).await;
    }
}

#[tokio::test]
async fn certificate_of_another_site_is_refused_with_what_to_do() {
    let (site, other) = (Site::new(), Site::named("other-CA"));
    let acceptor = site.acceptor(site.issue("localhost", |_| ()));
    let (port, task) = server(move |stream| async move {
        assert!(acceptor.accept(stream).await.is_err());
    })
    .await;
    let (cert, key) = other.client();
    let identity = ClientIdentity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
    let connect = WsConnect::builder(Endpoint::parse(&format!("wss://localhost:{port}")).unwrap())
        .tls(site.trusted())
        .auth(Auth::client_cert(identity, QlikUser::new("INTERNAL", "sa_engine")))
        .build()
        .unwrap();
    let error = within(qix_transport::Connect::connect(&connect)).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Tls, "{error:?}");
    assert!(error.hint().unwrap().contains("client certificate"), "{error:?}");
    within(task).await.unwrap();
}
