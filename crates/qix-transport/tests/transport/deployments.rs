//! Every form of URL that a deployment has: built, printed, parsed, and as it arrives at a server.

use qix_transport::{Connect, Endpoint, TlsSettings, WsConnect};

use crate::{
    proxies::tls_engine,
    support::within,
    web::{web, web_tls},
};

const GUID: &str = "0b0c4ba1-2a3f-4c4e-9d0e-6f1d0f2f7a10";

/// Checks that `make` builds `url` for `host`, that `url` is printed and parsed the same, and what a server is asked for.
async fn check(host: &str, make: impl Fn(&str) -> Endpoint, url: &str) {
    let built = make(host);
    assert_eq!(built.to_string(), url);
    assert_eq!(built.expose_url(), url);
    let parsed = Endpoint::parse(url).unwrap();
    assert_eq!((&parsed, &*parsed.to_string()), (&built, url));

    let (acceptor, pem) = tls_engine("localhost");
    let server = if built.is_tls() {
        web_tls(acceptor, |asked, _| asked.switched("")).await
    } else {
        web(|asked, _| asked.switched("")).await
    };
    let scheme = if built.is_tls() { "wss" } else { "ws" };
    let near = Endpoint::parse(&format!("{scheme}://localhost:{}", server.port)).unwrap();
    let near = near.with_path(built.path_and_query()).unwrap();
    let tls = TlsSettings::default().ca_pem(pem.as_bytes()).unwrap();
    within(WsConnect::builder(near).tls(tls).build().unwrap().connect()).await.unwrap();
    assert_eq!(server.lines(), [format!("GET {}", built.path_and_query())]);
    assert_eq!(server.asked()[0].header("Host"), Some(&*format!("localhost:{}", server.port)));
}

#[tokio::test]
async fn desktop_without_an_app_by_name_and_by_path() {
    let desktop = |_: &str| Endpoint::desktop();
    check("", |host| desktop(host).build().unwrap(), "ws://localhost:4848/app/engineData").await;
    let bare = |host: &str| desktop(host).build().unwrap().with_path("/app/").unwrap();
    check("", bare, "ws://localhost:4848/app/").await;
    let named = |host: &str| desktop(host).app("Sales.qvf").build().unwrap();
    check("", named, "ws://localhost:4848/app/Sales.qvf").await;
    let path = r"C:\Users\me\Documents\Qlik\Sense\Apps\Sales.qvf";
    let whole = |host: &str| desktop(host).app(path).build().unwrap();
    check(
        "",
        whole,
        "ws://localhost:4848/app/C%3A%5CUsers%5Cme%5CDocuments%5CQlik%5CSense%5CApps%5CSales.qvf",
    )
    .await;
    assert_eq!(whole("").app().as_deref(), Some(path));
}

#[tokio::test]
async fn engine_alone_with_any_word_no_path_no_app_and_a_bare_file() {
    let engine = Endpoint::engine;
    check("h", |host| engine(host).app("any thing").build().unwrap(), "ws://h:9076/app/any%20thing").await;
    check("h", |host| engine(host).route("").build().unwrap(), "ws://h:9076/").await;
    assert_eq!(Endpoint::parse("ws://h:9076").unwrap(), engine("h").route("").build().unwrap());
    check("h", |host| engine(host).build().unwrap(), "ws://h:9076/app/engineData").await;
    check("h", |host| engine(host).route("data/x.qvf").build().unwrap(), "ws://h:9076/data/x.qvf").await;
}

#[tokio::test]
async fn enterprise_engine_past_its_proxy_without_and_with_an_app() {
    let direct = Endpoint::enterprise_direct;
    check("h", |host| direct(host).build().unwrap(), "wss://h:4747/app/engineData").await;
    let url = format!("wss://h:4747/app/{GUID}");
    check("h", |host| direct(host).app(GUID).build().unwrap(), &url).await;
}

#[tokio::test]
async fn enterprise_proxy_with_port_and_prefixes_encrypted_or_not() {
    let proxy = Endpoint::enterprise;
    check("h", |host| proxy(host).build().unwrap(), "wss://h/app/engineData").await;
    check("h:8443", |host| proxy(host).prefix("vp").build().unwrap(), "wss://h:8443/vp/app/engineData").await;
    let url = format!("wss://h/vp/app/{GUID}");
    check("https://h/vp/", |host| proxy(host).app(GUID).build().unwrap(), &url).await;
    check("http://h/a/b/c", |host| proxy(host).build().unwrap(), "ws://h/a/b/c/app/engineData").await;
}

#[tokio::test]
async fn cloud_app() {
    let url = format!("wss://tenant.eu.qlikcloud.com/app/{GUID}");
    check("tenant.eu.qlikcloud.com", |host| Endpoint::cloud(host).app(GUID).build().unwrap(), &url).await;
}

#[tokio::test]
async fn cloud_session_app_empty_and_made_from_an_app() {
    let cloud = Endpoint::cloud;
    check(
        "t.eu.qlikcloud.com",
        |host| cloud(host).session_app("1").build().unwrap(),
        "wss://t.eu.qlikcloud.com/app/SessionApp_1",
    )
    .await;
    let from = |host: &str| cloud(host).session_app_from("1", GUID).build().unwrap();
    check("t.eu.qlikcloud.com", from, &format!("wss://t.eu.qlikcloud.com/app/SessionApp_1?from={GUID}"))
        .await;
}

#[tokio::test]
async fn old_dataprep() {
    let url = format!("wss://h/vp/dataprepservice/app/{GUID}");
    let make =
        |host: &str| Endpoint::enterprise(host).prefix("vp/dataprepservice").app(GUID).build().unwrap();
    check("h", make, &url).await;
}

#[tokio::test]
async fn identity_ttl_and_parameters_of_any_deployment() {
    let make = |host: &str| {
        let builder = Endpoint::enterprise(host).prefix("vp").app(GUID).identity("a/b ü").ttl(0);
        builder.reload_uri("https://h/hub?a=b").force_authentication().build().unwrap()
    };
    let url = format!(
        "wss://h/vp/app/{GUID}/identity/a%2Fb%20%C3%BC/ttl/0?reloadUri=https%3A%2F%2Fh%2Fhub%3Fa%3Db&forceauthentication=yes"
    );
    check("h", make, &url).await;
}
